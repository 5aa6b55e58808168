"""The shell of the state machine: one lock, one machine. Calls become events, instructions become deeds."""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from wafer_sim.coordinator import events as ev
from wafer_sim.coordinator import instructions as do
from wafer_sim.coordinator.problems import shutting_down
from wafer_sim.coordinator.state import Limits, State
from wafer_sim.coordinator.view import status_of
from wafer_sim.service.listeners import Listeners
from wafer_sim.service.outbox import Outbox
from wafer_sim.service.recorded import Recorded, Records
from wire.errors import Exhausted, Unreachable
from wire.v1 import coordinator_pb2, run_pb2

_log = logging.getLogger("wafer_sim")
_TICK_SECONDS = 0.2
_HELD_UP_SECONDS = 1.0
_LAST_WORDS_SECONDS = 2.0
I = TypeVar("I", bound=do.Instruction)  # noqa: E741 - an instruction

Died = Callable[[str, int, int, tuple[str, ...]], None]
"""Called with (run_id, incarnation, exit code, the last lines that it wrote)."""


class Wafers(Protocol):
    """Who starts and ends wafer processes; none of it waits."""

    def start(self, run_id: str, incarnation: int, died: Died) -> None: ...
    def terminate(self, run_id: str) -> None: ...
    def kill(self, run_id: str) -> None: ...
    def wait(self, seconds: float) -> bool: ...


class Hub:
    """The coordinator as threads may use it. Every method raises the machine's Faults.

    What an event changes is in the journal before anything is done or anybody is told. on_broken: called where the
    journal takes no more; the hub then answers nothing, see recorded.py.
    """

    def __init__(
        self,
        wafers: Wafers,
        records: Records,
        limits: Limits | None = None,
        clock: Callable[[], float] = time.monotonic,
        on_broken: Callable[[], None] = lambda: None,
    ) -> None:
        self._wafers = wafers
        self._clock = clock
        self._started = clock()
        self._recorded = Recorded(records, limits or Limits(), self._started, on_broken)
        self._lock = threading.RLock()
        self._listeners = Listeners()
        self._lines: dict[tuple[str, int], threading.Event] = {}
        self._closing = threading.Event()
        self._ticker = threading.Thread(target=self._tick, name="tick", daemon=True)

    @property
    def broken(self) -> Exhausted | None:
        """Why the hub answers nothing any more; None while it does."""
        return self._recorded.broken

    @property
    def _state(self) -> State:
        return self._recorded.machine.state

    @property
    def limits(self) -> Limits:
        return self._recorded.machine.limits

    def start(self) -> None:
        """Go on with what the coordinator before this one had begun, and let time pass."""
        with self._lock:
            self._carry_out(self._recorded.begin())
        self._ticker.start()

    # Workers

    def register(self, request: coordinator_pb2.RegisterRequest) -> do.Registered:
        shard = request.shard if request.HasField("shard") else None
        worker_id = f"worker-{secrets.token_hex(4)}"
        name = request.name or worker_id
        event = ev.WorkerRegistered(self._clock(), worker_id, name, shard, request.session, request.has_loader)
        with self._lock:
            self._listeners.workers[worker_id] = Outbox(1, lambda _: True)
            try:
                return _answer(self._feed(event), do.Registered)
            except BaseException:
                del self._listeners.workers[worker_id]
                raise

    def watch(self, worker_id: str, incarnation: int) -> Outbox[coordinator_pb2.Assignment]:
        """What a worker is told; the box is its life line: `lost` when nobody listens any more."""
        with self._lock:
            self._feed(ev.WorkerBeat(self._clock(), worker_id, incarnation))
            return self._listeners.watch(worker_id)

    def beat(self, beat: coordinator_pb2.HeartbeatRequest) -> None:
        cores = beat.cores if beat.HasField("cores") else None
        seams, lines = tuple(beat.seams), tuple(beat.lines)
        self._feed(ev.WorkerBeat(self._clock(), beat.worker_id, beat.incarnation, seams, cores, lines))

    def lost(self, worker_id: str, incarnation: int) -> None:
        self._happened(ev.WorkerLost(self._clock(), worker_id, incarnation))

    def failed(self, report: coordinator_pb2.ReportFailureRequest) -> None:
        self._feed(
            ev.FailureReported(
                self._clock(), report.worker_id, report.incarnation, report.run_id, report.stream, report.problem
            )
        )

    def ended(self, report: coordinator_pb2.ReportEndRequest) -> None:
        self._feed(ev.TaskEnded(self._clock(), report.name, report.session, tuple(report.lines)))

    # Chiefs and people

    def elect(self, job: str, candidate: str, successor: bool = False) -> str:
        return _answer(self._feed(ev.ElectAsked(self._clock(), job, candidate, successor)), do.Elected).chief

    def resign(self, job: str, candidate: str) -> None:
        self._feed(ev.Resigned(self._clock(), job, candidate))

    def meet(self, request: coordinator_pb2.MeetRequest) -> do.Met:
        place = (request.session, request.tag, request.time, request.task, request.tasks)
        return _answer(self._feed(ev.Arrived(self._clock(), *place, request.payload)), do.Met)

    def status(self) -> coordinator_pb2.StatusReply:
        with self._lock:
            now = self._clock()
            return status_of(self._state, now, now - self._started)

    # Runs

    def submit(self, spec: run_pb2.RunSpec) -> do.Submitted:
        """Queue a run, or take over the one that is there with the same spec and without a chief."""
        run_id = f"run-{secrets.token_hex(4)}"
        return _answer(self._feed(ev.RunSubmitted(self._clock(), run_id, spec)), do.Submitted)

    def follow(self, run_id: str, after: int, candidate: str = "") -> Outbox[run_pb2.RunEvent]:
        """The events of a run beyond number `after`, those to come included; give it back with `unfollow`.

        candidate: who follows.
        """
        with self._lock:
            past, ended = self._recorded.machine.history(run_id, after)
            box = self._listeners.follow(run_id, past, ended)
            if self._leads(candidate, run_id):
                self._happened(ev.ChiefFollows(self._clock(), candidate))
            return box

    def unfollow(self, run_id: str, box: Outbox[run_pb2.RunEvent], candidate: str = "") -> None:
        """A follower is gone; where that was the chief of a run that goes on, the run may have none now."""
        with self._lock:
            self._listeners.unfollow(run_id, box)
            if self._leads(candidate, run_id):
                self._happened(ev.ChiefLost(self._clock(), candidate))

    def _leads(self, candidate: str, run_id: str) -> bool:
        """Whether a run lives and is this candidate's."""
        run = self._state.runs.get(run_id)
        return bool(candidate) and run is not None and not run.ended and run.chief == candidate

    def cancel(self, run_id: str) -> None:
        self._feed(ev.CancelAsked(self._clock(), run_id))

    # Wafer processes

    def attach(self, attached: run_pb2.Attached) -> Outbox[run_pb2.WaferOrder]:
        """The orders to a wafer process; `detached` when its line has ended."""
        run_id = attached.run_id
        with self._lock:
            box: Outbox[run_pb2.WaferOrder] = Outbox(256, lambda order: order.HasField("seams"))
            previous = self._listeners.wafers.get(run_id)
            self._listeners.wafers[run_id] = box
            try:
                self._feed(ev.WaferAttached(self._clock(), run_id, attached.incarnation, attached.ingest_address))
            except BaseException:
                self._listeners.restore_wafer(run_id, previous)
                raise
            self._lines[run_id, attached.incarnation] = threading.Event()
            return box

    def said(self, run_id: str, incarnation: int, event: run_pb2.RunEvent) -> None:
        self._feed(ev.WaferSaid(self._clock(), run_id, incarnation, event))

    def detached(self, run_id: str, incarnation: int) -> None:
        with self._lock:
            self._happened(ev.WaferDetached(self._clock(), run_id, incarnation))
            if (run_id, incarnation) in self._lines:
                self._lines[run_id, incarnation].set()

    def _wafer_died(self, run_id: str, incarnation: int, exit_code: int, last_lines: tuple[str, ...]) -> None:
        line = self._lines.get((run_id, incarnation))
        if line is not None:
            # Its last words, "finished" among them, may still be on their way to us.
            line.wait(_LAST_WORDS_SECONDS)
        with self._lock:
            self._lines.pop((run_id, incarnation), None)
            self._listeners.end_wafer(run_id)
            self._happened(ev.WaferDied(self._clock(), run_id, incarnation, exit_code, last_lines))

    # The end

    def shut_down(self) -> None:
        """End within 5 s: the wafer saves and stops, then everybody who listens is told. No process is left.

        A broken hub writes nothing more down: its run goes on at the next coordinator.
        """
        if self.broken is None:
            self._happened(ev.ShutDown(self._clock()))
        if self.broken is not None:
            self._terminate_active()
        limits = self.limits
        if not self._wafers.wait(limits.shutdown_seconds + limits.shutdown_grace_seconds + 2 * _TICK_SECONDS):
            _log.warning("the wafer process did not leave in time and is killed")
            self._kill_active()
            self._wafers.wait(1.0)
        with self._lock:
            self._closing.set()
            self._listeners.close(shutting_down() if self.broken is None else Unreachable(self.broken.what))
        self._ticker.join()

    def _terminate_active(self) -> None:
        with self._lock:
            if self._state.active is not None:
                self._wafers.terminate(self._state.active)

    def _kill_active(self) -> None:
        with self._lock:
            if self._state.active is not None:
                self._wafers.kill(self._state.active)

    # The machine

    def _tick(self) -> None:
        last = self._clock()
        while not self._closing.wait(_TICK_SECONDS):
            now = self._clock()
            if now - last > _HELD_UP_SECONDS:
                self._happened(ev.HeldUp(now, now - last))
            last = now
            self._happened(ev.Tick(now))

    def _happened(self, event: ev.Event) -> None:
        """Feed what nobody waits for an answer to; a hub that has ended or broken hears it no more."""
        with self._lock:
            if self.broken is not None or self._closing.is_set():
                return
            try:
                self._feed(event)
            except Exhausted:
                # Its journal broke just now, and `on_broken` has said so.
                if self.broken is None:
                    raise

    def _feed(self, event: ev.Event) -> list[do.Instruction]:
        with self._lock:
            instructions = self._recorded.handle(event)
            self._carry_out(instructions)
            return instructions

    def _carry_out(self, instructions: Sequence[do.Instruction]) -> None:
        for instruction in instructions:
            match instruction:
                case do.Note(text):
                    _log.info(text)
                case do.StartWafer(run_id, incarnation):
                    self._wafers.start(run_id, incarnation, self._wafer_died)
                case do.TerminateWafer(run_id):
                    self._wafers.terminate(run_id)
                case do.KillWafer(run_id):
                    self._wafers.kill(run_id)
                case _:
                    self._listeners.carry_out(instruction)


def _answer(instructions: list[do.Instruction], kind: type[I]) -> I:
    return next(instruction for instruction in instructions if isinstance(instruction, kind))
