"""The coordinator: events in, instructions out, nothing else. Its hands, crew.py and runs.py, change the state."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from wafer_sim.coordinator import events as ev
from wafer_sim.coordinator import instructions as do
from wafer_sim.coordinator import problems, records
from wafer_sim.coordinator.chiefs import Chiefs
from wafer_sim.coordinator.crew import Crew
from wafer_sim.coordinator.desk import Desk
from wafer_sim.coordinator.meetings import Meetings
from wafer_sim.coordinator.runs import Runs
from wafer_sim.coordinator.state import Limits
from wire.v1 import journal_pb2, run_pb2


class Coordinator:
    """One programmed wafer, a queue of runs, workers that come and go.

    `handle` either raises a Fault and changes nothing, or changes the state and says what is to be done. It is not
    thread-safe. `state` is for reading. term: of this coordinator's life; every number that it gives out is above
    those of the terms before, so that nothing of an earlier life is taken for new.
    """

    def __init__(self, limits: Limits | None = None, term: int = 1) -> None:
        self.limits = limits or Limits()
        self._desk = Desk(self.limits, term)
        self.state = self._desk.state
        self._crew = Crew(self._desk)
        self._chiefs = Chiefs(self.limits.chiefs, self.limits.chief_seconds, self.limits.succession_seconds)
        self._meetings = Meetings(self.limits.meetings)
        self._runs = Runs(self._desk, self._crew, self._chiefs)
        self._handlers: dict[type[ev.Event], Callable[[Any], None]] = {
            ev.WorkerRegistered: self._register,
            ev.WorkerBeat: self._crew.beat,
            ev.WorkerLost: self._lost,
            ev.TaskEnded: self._crew.task_ended,
            ev.FailureReported: self._failure_reported,
            ev.RunSubmitted: self._submit,
            ev.CancelAsked: self._cancel,
            ev.WaferAttached: self._attach,
            ev.WaferSaid: self._hear,
            ev.WaferDetached: self._runs.detach,
            ev.WaferDied: self._wafer_died,
            ev.ElectAsked: self._elect,
            ev.Resigned: self._resign,
            ev.Arrived: self._arrived,
            ev.ChiefFollows: self._chief_follows,
            ev.ChiefLost: self._chief_lost,
            ev.Tick: self._tick,
            ev.HeldUp: self._held_up,
            ev.ShutDown: self._shut_down,
        }

    @classmethod
    def restored(
        cls, written: Iterable[journal_pb2.Record], limits: Limits | None, term: int, now: float
    ) -> tuple[Coordinator, list[do.Instruction]]:
        """The coordinator that goes on where these records end, and what it wants done first.

        Runs that had not ended are queued in order, the one that had the wafer first; a cancelled one is ended.
        """
        machine = cls(limits, term)
        kept = records.fold(written)
        machine._chiefs.restore(kept.chiefs, now)
        for run in kept.runs.values():
            machine._runs.revive(run, now)
        machine._settle(now)
        return machine, machine._desk.out

    def handle(self, event: ev.Event) -> list[do.Instruction]:
        """Raises Refused for a stale incarnation, NotFound for an unknown run, Exhausted, Stopped when closing."""
        self._desk.out = []
        self._handlers[type(event)](event)
        return self._desk.out

    def history(self, run_id: str, after: int) -> tuple[list[run_pb2.RunEvent], bool]:
        """The events of a run beyond number `after`, and whether no more will come. Raises NotFound."""
        run = self._desk.run(run_id)
        return run.history.after(after), run.ended

    def has_effect(self, event: ev.ElectAsked) -> bool:
        """Whether the candidate becomes chief who was not; a living chief only says that it lives."""
        vacant = self._chiefs.is_vacant(event.job, event.now, event.successor)
        return vacant and self._chiefs.of(event.job) != event.candidate

    @property
    def chiefs(self) -> dict[str, str]:
        """job -> chief."""
        return self._chiefs.all()

    # Workers

    def _register(self, event: ev.WorkerRegistered) -> None:
        self._crew.register(event)
        self._settle(event.now)

    def _lost(self, event: ev.WorkerLost) -> None:
        if self._crew.lose(event):
            self._settle(event.now)

    def _failure_reported(self, event: ev.FailureReported) -> None:
        worker = self._desk.worker(event.worker_id, event.incarnation)
        run = self.state.active_run
        hosts = event.stream in (stream for stream, _ in worker.streams)
        if run is None or run.run_id != event.run_id or not hosts:
            self._desk.note(
                f"worker {worker.name}: a failure of stream {event.stream}, which it does not host: ignored"
            )
            return
        problem = problems.worker_failed(worker, event.stream, event.problem)
        self._runs.end(run, run_pb2.RunEvent(failed=problem), event.now)
        self._desk.out.append(do.OrderFail(run.run_id, problem))
        self._settle(event.now)

    # Runs and their wafer processes

    def _submit(self, event: ev.RunSubmitted) -> None:
        self._runs.submit(event)
        self._settle(event.now)

    def _cancel(self, event: ev.CancelAsked) -> None:
        self._runs.cancel(event)
        self._settle(event.now)

    def _attach(self, event: ev.WaferAttached) -> None:
        self._runs.attach(event)
        self._settle(event.now)

    def _hear(self, event: ev.WaferSaid) -> None:
        if self._runs.hear(event):
            self._settle(event.now)

    def _wafer_died(self, event: ev.WaferDied) -> None:
        self._runs.wafer_died(event)
        self._settle(event.now)

    # Chiefs

    def _elect(self, event: ev.ElectAsked) -> None:
        before = self._chiefs.of(event.job)
        if before is None and not event.successor:
            for job, gone in self._chiefs.make_room(event.now).items():
                self._desk.record(records.resigned(job, gone))
        chief = self._chiefs.elect(event.job, event.candidate, event.now, event.successor)
        if chief and chief != before:
            self._desk.record(records.elected(event.job, chief))
        self._desk.out.append(do.Elected(chief))

    def _arrived(self, event: ev.Arrived) -> None:
        payloads, missing = self._meetings.arrive(event)
        self._desk.out.append(do.Met(payloads, missing))

    def _resign(self, event: ev.Resigned) -> None:
        self._runs.release_chief(event.job, event.candidate)

    def _chief_follows(self, event: ev.ChiefFollows) -> None:
        self._chiefs.follows(event.candidate, event.now)

    def _chief_lost(self, event: ev.ChiefLost) -> None:
        if self._chiefs.lose(event.candidate):
            self._desk.note(f"the chief {event.candidate} is gone; its run goes on")

    # Time

    def _tick(self, event: ev.Tick) -> None:
        self._crew.pass_time(event.now)
        self._runs.watch_wafer(event.now)
        if self._desk.out:
            self._settle(event.now)

    def _held_up(self, event: ev.HeldUp) -> None:
        self._crew.not_silent_for(event.seconds)
        self._desk.note(f"this process was held up for {event.seconds:.1f} s; nobody is given up for it")

    def _shut_down(self, event: ev.ShutDown) -> None:
        self._runs.close(event.now)
        self._settle(event.now)

    # What follows from the state

    def _settle(self, now: float) -> None:
        """After a change: the next run starts, places are right, workers know their work, old runs are dropped."""
        if self.state.active is None and self.state.queue:
            self._runs.give_wafer(self.state.runs[self.state.queue.pop(0)], now)
        for place, run_id in enumerate(self.state.queue, start=1):
            run = self.state.runs[run_id]
            if run.place != place:
                run.place = place
                self._desk.publish(run, run_pb2.RunEvent(queued=place))
        self._crew.tell()
        self._drop_old_runs()

    def _drop_old_runs(self) -> None:
        ended = [r.run_id for r in self.state.runs.values() if r.ended and r.run_id != self.state.active]
        for run_id in ended[: max(0, len(ended) - self.limits.ended_kept)]:
            del self.state.runs[run_id]
            self._desk.record(records.forgotten(run_id))
