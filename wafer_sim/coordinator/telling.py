"""What a worker is told: the whole of its work, or why there is none."""

from __future__ import annotations

from collections.abc import Iterable

from wafer_sim.coordinator.assignment import eligible
from wafer_sim.coordinator.state import RUNNING, RunState, State, WorkerState
from wire.v1 import coordinator_pb2

Assignment = coordinator_pb2.Assignment


def assignment_for(worker: WorkerState, state: State) -> Assignment:
    """All that this worker has to do now."""
    if state.session_over(worker.session):
        return Assignment(leave=True, notice="the job of this worker's session has ended")
    run = state.active_run
    if run is None:
        return Assignment(notice=_idle(worker, state))
    streams = sorted(stream for stream, host in run.hosts.items() if host == worker.worker_id)
    return _hosting(run, streams) if streams else Assignment(notice=_waiting(worker, run, state))


def streams_text(streams: Iterable[int]) -> str:
    """As people write it: "stream 3", "streams 0, 2"."""
    numbers = list(streams)
    return f"stream{'s' if len(numbers) != 1 else ''} {', '.join(map(str, numbers))}"


def _hosting(run: RunState, streams: list[int]) -> Assignment:
    leases = [coordinator_pb2.StreamLease(stream=s, lease=run.leases[s]) for s in streams]
    return Assignment(
        run_id=run.run_id,
        ingest_address=run.ingest_address,
        data=run.spec.data,
        mode=run.spec.mode,
        streams=leases,
        notice=f"hosting {streams_text(streams)}",
    )


def _idle(worker: WorkerState, state: State) -> str:
    if worker.session and state.live_runs_of(worker.session):
        return "waiting: the job is queued"
    return "waiting: no job at this coordinator yet"


def _waiting(worker: WorkerState, run: RunState, state: State) -> str:
    if not eligible(worker.session, worker.has_loader, run.spec):
        return _not_eligible(worker, run, state)
    streams = run.spec.data.streams
    if worker.shard is not None and worker.shard >= streams:
        return f"waiting: the job has {streams} streams, 0..{streams - 1}; this worker is for stream {worker.shard}"
    if run.state != RUNNING:
        return "waiting for the wafer to be programmed"
    if worker.shard is not None:
        holder = state.workers[run.hosts[worker.shard]].name
        return f"waiting: stream {worker.shard} is hosted by worker {holder}; this one stands by for it"
    return f"all {streams} streams are hosted by others; standing by"


def _not_eligible(worker: WorkerState, run: RunState, state: State) -> str:
    if worker.session in ("", run.spec.session):
        return "waiting: the job's input is a user's own loader, and this worker was started without one (--data)"
    ahead = min((other.place for other in state.live_runs_of(worker.session)), default=0)
    return f"waiting: the job is queued, {ahead} ahead" if ahead else "waiting: the job of another session is running"
