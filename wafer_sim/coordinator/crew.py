"""The workers: who is there, who hosts what, what each is told. One of the coordinator's two hands."""

from __future__ import annotations

from collections.abc import Collection

from wafer_sim.coordinator import events as ev
from wafer_sim.coordinator import fallen, hosting, problems
from wafer_sim.coordinator import instructions as do
from wafer_sim.coordinator.desk import Desk
from wafer_sim.coordinator.state import Holding, RunState, WorkerState
from wafer_sim.coordinator.telling import Teller
from wire.errors import Exhausted
from wire.v1 import run_pb2


class Crew:
    """Changes the workers of the desk's state, and the hosts of the run on the wafer."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._state = desk.state

    def register(self, event: ev.WorkerRegistered) -> None:
        """Raises Stopped when closing, Exhausted."""
        if self._state.closing:
            raise problems.shutting_down()
        former = next((w for w in self._state.workers.values() if w.name == event.name), None)
        most = self._desk.limits.workers
        if former is None and len(self._state.workers) >= most:
            raise Exhausted(f"{most} workers are registered; that is the most this coordinator takes")
        worker = WorkerState(
            worker_id=event.worker_id,
            name=event.name,
            incarnation=self._desk.number(),
            shard=event.shard,
            session=event.session,
            has_loader=event.has_loader,
            seen=event.now,
            steady_since=event.now,
        )
        self._desk.out.append(do.Registered(worker.worker_id, worker.incarnation))
        self._state.workers[worker.worker_id] = worker
        if former is not None:
            self._take_over(worker, former, event.now)
        pin = "" if worker.shard is None else f" for stream {worker.shard}"
        self._desk.note(f"worker {worker.name} joined{pin}")
        self.rehost(event.now)

    def _take_over(self, worker: WorkerState, former: WorkerState, now: float) -> None:
        """The streams of a former registration of the same process are its own, under new leases."""
        worker.late = former.late
        run = self._state.hosted_run
        if run is not None:
            run.hosts |= {stream: Holding(worker.worker_id, self._desk.number(), now) for stream, _ in former.streams}
            self._hand_out(run, {worker.worker_id})
        former.streams, former.session = (), ""  # nobody is gone
        self._forget(former, "it registered again")

    def beat(self, event: ev.WorkerBeat) -> None:
        """Raises Refused for a stale incarnation."""
        worker = self._desk.worker(event.worker_id, event.incarnation)
        if event.now - worker.seen > hosting.steady_gap(self._desk.limits):
            worker.steady_since = event.now
        worker.seen = event.now
        if event.lines:
            worker.lines = (*worker.lines, *event.lines)[-self._desk.limits.lines :]
        if event.seams is None:
            return
        worker.seams = tuple(_signed(seam, worker.name) for seam in event.seams)
        run = self._state.active_run
        if run is not None and worker.streams:
            report = run_pb2.SeamReport(worker_id=worker.worker_id, seams=worker.seams, cores=event.cores)
            self._desk.out.append(do.ForwardSeams(run.run_id, report))

    def lose(self, event: ev.WorkerLost) -> bool:
        """Whether there was such a worker; its streams are with others now."""
        worker = self._state.workers.get(event.worker_id)
        if worker is None or worker.incarnation != event.incarnation:
            return False
        self._forget(worker, "its connection ended")
        self.rehost(event.now)
        return True

    def _forget(self, worker: WorkerState, why: str) -> None:
        del self._state.workers[worker.worker_id]
        self._desk.out.append(do.Dismiss(worker.worker_id, why))
        self._desk.note(f"worker {worker.name} left: {why}")
        gone = run_pb2.WorkerGone(worker=worker.name, why=why, lines=worker.lines)
        for run in fallen.concerned(self._state, worker.session, hosted=bool(worker.streams)):
            self._desk.publish(run, run_pb2.RunEvent(gone=gone))

    def task_ended(self, event: ev.TaskEnded) -> None:
        """The chief of its session is told, as soon as there is a run of it."""
        lines = event.lines[-self._desk.limits.lines :]
        self._desk.note(f"task {event.name} of session {event.session} ended: {lines[-1] if lines else 'no word'}")
        gone = run_pb2.WorkerGone(worker=event.name, why="it ended with an error", lines=lines)
        runs = fallen.concerned(self._state, event.session)
        for run in runs:
            self._desk.publish(run, run_pb2.RunEvent(gone=gone))
        if not runs:
            fallen.keep(self._state, event.session, gone, self._desk.limits.fallen)

    def pass_time(self, now: float) -> None:
        """Who is silent is given up; who was late and is steady again counts as any other, and moves nothing yet."""
        limits = self._desk.limits
        silent = [w for w in self._state.workers.values() if now - w.seen > limits.lost_after_seconds]
        for worker in silent:
            self._forget(worker, f"it was silent for {now - worker.seen:.1f} s")
        if silent:
            self.rehost(now)
        for worker in self._state.workers.values():
            if worker.late and hosting.shows_life(worker, now, limits):
                worker.late = frozenset()
                self._desk.note(f"worker {worker.name} shows life again")

    def not_silent_for(self, seconds: float) -> None:
        """This coordinator itself heard nothing for so long: nobody was silent meanwhile."""
        for worker in self._state.workers.values():
            worker.seen += seconds

    def replace_late(self, run: RunState, late: run_pb2.Late, now: float) -> bool:
        """Whether a late stream was given to another worker."""
        workers = self._state.workers
        host = hosting.culprit(run, late, workers, now, self._desk.limits)
        if host is None or not hosting.replaceable(run, late.stream, host, workers.values()):
            return False
        host.late |= {late.stream}
        host.steady_since = now
        self.rehost(now)
        new = workers[run.hosts[late.stream].worker_id].name
        self._desk.note(
            f"run {run.run_id}: worker {host.name} is late with stream {late.stream} ({late.seconds:.1f} s); "
            f"worker {new} hosts it now"
        )
        return True

    def rehost(self, now: float) -> None:
        """Who hosts what follows from who is there; what moves gets a new lease."""
        run = self._state.hosted_run
        if run is None:
            return
        wanted = hosting.wanted_hosts(run, self._state.workers.values())
        moved, lost = hosting.changes(run.hosts, wanted)
        concerned = {run.hosts[stream].worker_id for stream in (*moved, *lost) if stream in run.hosts}
        for stream in lost:
            del run.hosts[stream]
        for stream in moved:
            run.hosts[stream] = Holding(wanted[stream], self._desk.number(), now)
        self._hand_out(run, concerned | {wanted[stream] for stream in moved})
        waiting = hosting.waiting_text(run)
        if waiting != run.waiting:
            run.waiting = waiting
            self._desk.publish(run, run_pb2.RunEvent(phase=waiting or run.phase))
            self._desk.note(f"run {run.run_id}: {waiting or 'every stream has a host'}")

    def unhost(self, run: RunState) -> None:
        """Nobody hosts anything of this run any more."""
        run.hosts, run.waiting = {}, ""
        self._hand_out(run, self._state.workers.keys())

    def forgive(self) -> None:
        """The streams of another run are others: nobody is late with them."""
        for worker in self._state.workers.values():
            worker.late = frozenset()

    def _hand_out(self, run: RunState, to: Collection[str]) -> None:
        """These workers, as far as they are there, have what they host of the run."""
        streams = hosting.by_worker(run.hosts, to)
        for worker_id in to:
            if (worker := self._state.workers.get(worker_id)) is not None:
                worker.streams = streams.get(worker_id, ())

    def tell(self) -> None:
        """Every worker whose work is not what it was told last is told."""
        teller = Teller.of(self._state)
        for worker in self._state.workers.values():
            work = teller.work(worker)
            if work != worker.told:
                worker.told = work
                self._desk.out.append(do.Tell(worker.worker_id, teller.assignment(work)))


def _signed(seam: run_pb2.Seam, worker: str) -> run_pb2.Seam:
    signed = run_pb2.Seam()
    signed.CopyFrom(seam)
    signed.worker = seam.worker or worker
    return signed
