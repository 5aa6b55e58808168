"""The coordinator: the one place where its state changes. Events in, instructions out, nothing else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from wafer_sim.coordinator import events as ev
from wafer_sim.coordinator import instructions as do
from wafer_sim.coordinator import problems
from wafer_sim.coordinator.assignment import Host, assign, eligible
from wafer_sim.coordinator.chiefs import Chiefs
from wafer_sim.coordinator.journal import Journal
from wafer_sim.coordinator.state import (
    FAILED,
    FINISHED,
    RUNNING,
    STARTING,
    Limits,
    RunState,
    State,
    WorkerState,
)
from wafer_sim.coordinator.telling import assignment_for, streams_text
from wafer_sim.coordinator.view import seams_of
from wire.errors import Exhausted, InvalidInput, NotFound, Refused
from wire.status import problem_of
from wire.v1 import run_pb2

RunEvent = run_pb2.RunEvent


class Coordinator:
    """One programmed wafer, a queue of runs, workers that come and go.

    `handle` either raises a Fault and changes nothing, or changes the state and says what is to be done. It is not
    thread-safe. `state` is for reading.
    """

    def __init__(self, limits: Limits | None = None, first_incarnation: int = 1) -> None:
        self.state = State()
        self.limits = limits or Limits()
        self._incarnation = first_incarnation
        self._out: list[do.Instruction] = []
        self._chiefs = Chiefs(self.limits.chiefs, self.limits.chief_seconds)
        self._handlers: dict[type[ev.Event], Callable[[Any], None]] = {
            ev.WorkerRegistered: self._register,
            ev.WorkerBeat: self._beat,
            ev.WorkerLost: self._lost,
            ev.FailureReported: self._failure_reported,
            ev.RunSubmitted: self._submit,
            ev.CancelAsked: self._cancel,
            ev.WaferAttached: self._attach,
            ev.WaferSaid: self._hear,
            ev.WaferDetached: self._detach,
            ev.WaferDied: self._wafer_died,
            ev.ElectAsked: self._elect,
            ev.Resigned: self._resign,
            ev.Tick: self._tick,
            ev.ShutDown: self._shut_down,
        }

    def handle(self, event: ev.Event) -> list[do.Instruction]:
        """Raises Refused for a stale incarnation, NotFound for an unknown run, Exhausted, Stopped when closing."""
        self._out = []
        self._handlers[type(event)](event)
        return self._out

    def history(self, run_id: str, after: int) -> tuple[list[RunEvent], bool]:
        """The events of a run beyond number `after`, and whether no more will come. Raises NotFound."""
        run = self._run(run_id)
        return run.journal.after(after), run.ended

    # Workers

    def _register(self, event: ev.WorkerRegistered) -> None:
        if self.state.closing:
            raise problems.shutting_down()
        if len(self.state.workers) >= self.limits.workers:
            raise Exhausted(f"{self.limits.workers} workers are registered; that is the most this coordinator takes")
        worker = WorkerState(
            worker_id=event.worker_id,
            name=event.name,
            incarnation=self._incarnation,
            shard=event.shard,
            session=event.session,
            has_loader=event.has_loader,
            seen=event.now,
        )
        self._incarnation += 1
        self.state.workers[worker.worker_id] = worker
        self._out.append(do.Registered(worker.worker_id, worker.incarnation))
        pin = "" if worker.shard is None else f" for stream {worker.shard}"
        self._note(f"worker {worker.name} joined{pin}")
        self._settle(event.now)

    def _beat(self, event: ev.WorkerBeat) -> None:
        worker = self._worker(event.worker_id, event.incarnation)
        worker.seen = event.now
        if event.seams is None:
            return
        worker.seams = tuple(_signed(seam, worker.name) for seam in event.seams)
        run = self.state.active_run
        if run is not None and worker.worker_id in run.hosts.values():
            report = run_pb2.SeamReport(worker_id=worker.worker_id, seams=worker.seams)
            self._out.append(do.ForwardSeams(run.run_id, report))

    def _lost(self, event: ev.WorkerLost) -> None:
        worker = self.state.workers.get(event.worker_id)
        if worker is not None and worker.incarnation == event.incarnation:
            self._forget(worker, "its connection ended")
            self._settle(event.now)

    def _forget(self, worker: WorkerState, why: str) -> None:
        del self.state.workers[worker.worker_id]
        self._out.append(do.Dismiss(worker.worker_id, why))
        self._note(f"worker {worker.name} left: {why}")

    def _failure_reported(self, event: ev.FailureReported) -> None:
        worker = self._worker(event.worker_id, event.incarnation)
        run = self.state.active_run
        if run is None or run.run_id != event.run_id or run.hosts.get(event.stream) != worker.worker_id:
            self._note(f"worker {worker.name}: a failure of stream {event.stream}, which it does not host: ignored")
            return
        problem = problems.worker_failed(worker, event.stream, event.problem)
        self._out.append(do.OrderFail(run.run_id, problem))
        self._end(run, RunEvent(failed=problem), event.now)
        self._settle(event.now)

    # Runs

    def _submit(self, event: ev.RunSubmitted) -> None:
        if self.state.closing:
            raise problems.shutting_down()
        if len(self.state.queue) >= self.limits.queued:
            raise Exhausted(f"{self.limits.queued} runs are queued; that is the most this coordinator takes")
        run = RunState(event.run_id, event.spec, Journal(self.limits.progress_kept))
        self.state.runs[run.run_id] = run
        self.state.queue.append(run.run_id)
        self._note(f"run {run.run_id} submitted: {run.spec.data.streams} streams, {run.spec.model_dir}")
        self._settle(event.now)

    def _cancel(self, event: ev.CancelAsked) -> None:
        run = self._run(event.run_id)
        if not run.ended and not run.cancelled:
            self._note(f"run {run.run_id} is to stop")
            self._stop(run, event.now, self.limits.stop_seconds, self.limits.grace_seconds)
            self._settle(event.now)

    def _stop(self, run: RunState, now: float, patience: float, grace: float) -> None:
        run.cancelled = True
        if run.run_id in self.state.queue:
            stopped = run_pb2.Finished(progress=run.progress, stopped=True)
            self._end(run, RunEvent(finished=stopped), now)
        elif run.state == RUNNING:
            self._out.append(do.StopWafer(run.run_id))
            self._await_exit(run, now + patience, grace)
        else:
            self._await_exit(run, now, grace)
            self._press(run, now)

    def _start(self, run: RunState, now: float) -> None:
        self.state.queue.remove(run.run_id)
        self.state.active = run.run_id
        run.state, run.place, run.incarnation = STARTING, 0, run.incarnation + 1
        run.attach_by = now + self.limits.attach_seconds
        self._out.append(do.StartWafer(run.run_id, run.incarnation))
        self._say_phase(run, "starting the wafer process")
        self._note(f"run {run.run_id} has the wafer")

    def _end(self, run: RunState, event: RunEvent, now: float) -> None:
        """Its end: the last event, nothing hosted, and a wafer process that has to leave."""
        run.seams = tuple(event.finished.seams) or seams_of(run, self.state)
        run.state = FINISHED if event.HasField("finished") else FAILED
        if event.HasField("failed"):
            run.problem = event.failed
        if event.finished.HasField("progress"):
            run.progress = event.finished.progress
        run.hosts, run.waiting, run.place, run.attach_by = {}, "", 0, None
        self._publish(run, event)
        self._chiefs.resign(run.spec.model_dir, run.spec.session)
        self._note(f"run {run.run_id} {run.state}" + (f": {run.problem.what}" if run.problem else ""))
        if run.run_id in self.state.queue:
            self.state.queue.remove(run.run_id)
        elif run.terminate_at is None:
            self._await_exit(run, now + self.limits.leave_seconds, self.limits.grace_seconds)

    # The wafer process

    def _attach(self, event: ev.WaferAttached) -> None:
        run = self._of_wafer(event.run_id, event.incarnation)
        if run.ended or run.cancelled or run.state != STARTING:
            raise Refused(f"run {run.run_id} awaits no wafer process; it is {run.state}")
        if not event.ingest_address:
            raise InvalidInput("a wafer process attached without an ingest address")
        run.state, run.ingest_address, run.attach_by = RUNNING, event.ingest_address, None
        self._out.append(do.OrderStart(run.run_id, run.spec))
        self._note(f"run {run.run_id}: the wafer process takes batches at {run.ingest_address}")
        self._settle(event.now)

    def _hear(self, event: ev.WaferSaid) -> None:
        run = self._of_wafer(event.run_id, event.incarnation)
        if run.ended:
            return
        match event.event.WhichOneof("event"):
            case "finished" | "failed":
                self._end(run, event.event, event.now)
                self._settle(event.now)
            case "phase":
                self._say_phase(run, event.event.phase)
            case "progress":
                run.progress = event.event.progress
                self._publish(run, event.event)
            case "saved":
                self._publish(run, event.event)
            case other:
                raise InvalidInput(f"a wafer process does not say {other or 'nothing'!r}")

    def _detach(self, event: ev.WaferDetached) -> None:
        """Its exit tells more, so that is waited for; a process that lives on without a line is of no use."""
        run = self.state.runs.get(event.run_id)
        mine = run is not None and event.run_id == self.state.active and event.incarnation == run.incarnation
        if run is not None and mine and run.terminate_at is None:
            self._await_exit(run, event.now + self.limits.grace_seconds, self.limits.grace_seconds)

    def _wafer_died(self, event: ev.WaferDied) -> None:
        run = self._of_wafer(event.run_id, event.incarnation)
        self.state.active = None
        run.terminate_at = run.kill_at = None
        if not run.ended:
            stopped_early = run.cancelled and run.state == STARTING
            problem = problems.wafer_died(run, event.exit_code, event.last_lines)
            finished = run_pb2.Finished(progress=run.progress, stopped=True)
            self._end(run, RunEvent(finished=finished) if stopped_early else RunEvent(failed=problem), event.now)
            run.terminate_at = run.kill_at = None
        self._settle(event.now)

    def _await_exit(self, run: RunState, terminate_at: float, grace: float) -> None:
        run.terminate_at, run.kill_at = terminate_at, terminate_at + grace

    def _press(self, run: RunState, now: float) -> None:
        """SIGTERM, then SIGKILL, each once, when their time has come."""
        if run.terminate_at is not None and now >= run.terminate_at:
            run.terminate_at = float("inf")
            self._out.append(do.TerminateWafer(run.run_id))
        if run.kill_at is not None and now >= run.kill_at:
            run.kill_at = float("inf")
            self._out.append(do.KillWafer(run.run_id))

    # Chiefs

    def _elect(self, event: ev.ElectAsked) -> None:
        busy = frozenset(run.spec.session for run in self.state.runs.values() if not run.ended)
        self._out.append(do.Elected(self._chiefs.elect(event.job, event.candidate, event.now, busy)))

    def _resign(self, event: ev.Resigned) -> None:
        self._chiefs.resign(event.job, event.candidate)

    # Time

    def _tick(self, event: ev.Tick) -> None:
        now = event.now
        for worker in list(self.state.workers.values()):
            silence = now - worker.seen
            if silence > self.limits.lost_after_seconds:
                self._forget(worker, f"it was silent for {silence:.1f} s")
        self._watch_wafer(now)
        if self._out:
            self._settle(now)

    def _watch_wafer(self, now: float) -> None:
        run = self.state.runs[self.state.active] if self.state.active is not None else None
        if run is None:
            return
        if run.attach_by is not None and now >= run.attach_by:
            problem = problems.never_attached(run, self.limits.attach_seconds)
            self._await_exit(run, now, self.limits.grace_seconds)
            self._end(run, RunEvent(failed=problem), now)
        self._press(run, now)

    def _shut_down(self, event: ev.ShutDown) -> None:
        now, self.state.closing = event.now, True
        for run_id in list(self.state.queue):
            self._end(self.state.runs[run_id], RunEvent(failed=problem_of(problems.shutting_down())), now)
        if self.state.active is not None:
            patience, grace = self.limits.shutdown_seconds, self.limits.shutdown_grace_seconds
            run = self.state.runs[self.state.active]
            if run.ended:
                self._await_exit(run, now + patience, grace)
            else:
                self._stop(run, now, patience, grace)
        self._settle(now)

    # What follows from the state

    def _settle(self, now: float) -> None:
        """After a change: the next run starts, places and hosts are right, workers know it."""
        if self.state.active is None and self.state.queue:
            self._start(self.state.runs[self.state.queue[0]], now)
        for place, run_id in enumerate(self.state.queue, start=1):
            run = self.state.runs[run_id]
            if run.place != place:
                run.place = place
                self._publish(run, RunEvent(queued=place))
        active = self.state.active_run
        if active is not None and active.state == RUNNING:
            self._host(active)
        for worker in self.state.workers.values():
            self._tell(worker)
        self._drop_old_runs()

    def _host(self, run: RunState) -> None:
        workers = [w for w in self.state.workers.values() if eligible(w.session, w.has_loader, run.spec)]
        hosts = assign(run.spec.data.streams, [Host(w.worker_id, w.shard) for w in workers], run.hosts)
        for stream, worker_id in hosts.items():
            if run.hosts.get(stream) != worker_id:
                run.leases[stream] = run.leases.get(stream, 0) + 1
        run.hosts = hosts
        missing = [stream for stream in range(run.spec.data.streams) if stream not in hosts]
        verb = "has" if len(missing) == 1 else "have"
        waiting = f"waiting for workers: {streams_text(missing)} {verb} no host" if missing else ""
        if waiting != run.waiting:
            run.waiting = waiting
            text = waiting or run.phase
            self._publish(run, RunEvent(phase=text))
            self._note(f"run {run.run_id}: {waiting or 'every stream has a host'}")

    def _tell(self, worker: WorkerState) -> None:
        assignment = assignment_for(worker, self.state)
        if assignment != worker.told:
            worker.told = assignment
            self._out.append(do.Tell(worker.worker_id, assignment))

    def _drop_old_runs(self) -> None:
        ended = [r.run_id for r in self.state.runs.values() if r.ended and r.run_id != self.state.active]
        for run_id in ended[: max(0, len(ended) - self.limits.ended_kept)]:
            del self.state.runs[run_id]

    # Words

    def _say_phase(self, run: RunState, phase: str) -> None:
        run.phase = phase
        self._publish(run, RunEvent(phase=phase))

    def _publish(self, run: RunState, event: RunEvent) -> None:
        self._out.append(do.Publish(run.run_id, run.journal.add(event)))

    def _note(self, text: str) -> None:
        self._out.append(do.Note(text))

    # Who is meant

    def _worker(self, worker_id: str, incarnation: int) -> WorkerState:
        worker = self.state.workers.get(worker_id)
        if worker is None or worker.incarnation != incarnation:
            raise Refused("this worker was given up, or never registered", where=worker_id, fix="register again")
        return worker

    def _run(self, run_id: str) -> RunState:
        run = self.state.runs.get(run_id)
        if run is None:
            raise NotFound(f"there is no run {run_id!r} here", fix="`wafer_sim status` lists the runs")
        return run

    def _of_wafer(self, run_id: str, incarnation: int) -> RunState:
        run = self._run(run_id)
        if run_id != self.state.active or incarnation != run.incarnation:
            raise Refused(f"this is not the wafer process of {run_id} (incarnation {incarnation} is stale)")
        return run


def _signed(seam: run_pb2.Seam, worker: str) -> run_pb2.Seam:
    signed = run_pb2.Seam()
    signed.CopyFrom(seam)
    signed.worker = seam.worker or worker
    return signed
