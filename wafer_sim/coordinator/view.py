"""The coordinator's state as `wafer_sim status` shows it."""

from __future__ import annotations

from collections.abc import Iterator

from wafer_sim.coordinator.state import RunState, State, WorkerState
from wire.v1 import coordinator_pb2, run_pb2


def status_of(state: State, now: float, up_seconds: float) -> coordinator_pb2.StatusReply:
    """Runs in the order in which they came, and the workers of now."""
    return coordinator_pb2.StatusReply(
        runs=[_run(run, state) for run in state.runs.values()],
        workers=[_worker(worker, now) for worker in state.workers.values()],
        up_seconds=up_seconds,
    )


def seams_of(run: RunState, state: State) -> tuple[run_pb2.Seam, ...]:
    """The latest readings of a run: at its end what the wafer reported, before it what its workers and it report."""
    if run.ended:
        return run.seams
    return (*_worker_seams(run, state), *(run.progress.seams if run.progress is not None else ()))


def _worker_seams(run: RunState, state: State) -> Iterator[run_pb2.Seam]:
    for worker in state.workers.values() if run.hosts else ():
        yield from worker.seams if worker.streams else ()


def _run(run: RunState, state: State) -> coordinator_pb2.RunStatus:
    return coordinator_pb2.RunStatus(
        run_id=run.run_id,
        state=run.state,
        spec=run.spec,
        progress=run.progress,
        problem=run.problem,
        place=run.place,
        seams=seams_of(run, state),
        phase=run.waiting or run.phase,
    )


def _worker(worker: WorkerState, now: float) -> coordinator_pb2.WorkerStatus:
    return coordinator_pb2.WorkerStatus(
        worker_id=worker.worker_id,
        name=worker.name,
        streams=[stream for stream, _ in worker.streams],
        silent_seconds=max(0.0, now - worker.seen),
        shard=worker.shard,
        late=sorted(worker.late),
    )
