"""Which worker hosts which stream of the run on the wafer, and who is late: pure functions."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from wafer_sim.coordinator.assignment import Host, assign, eligible
from wafer_sim.coordinator.state import Holding, Limits, RunState, WorkerState
from wafer_sim.coordinator.telling import streams_text
from wire.v1 import run_pb2


def wanted_hosts(run: RunState, workers: Iterable[WorkerState]) -> dict[int, str]:
    """stream -> worker_id, as it should be with these workers."""
    hosts = [Host(w.worker_id, w.shard, w.late) for w in workers if eligible(w.session, w.has_loader, run.spec)]
    return assign(run.spec.data.streams, hosts, {stream: held.worker_id for stream, held in run.hosts.items()})


def changes(hosts: Mapping[int, Holding], wanted: Mapping[int, str]) -> tuple[list[int], list[int]]:
    """The streams that get another host, or one at all, and those that have none any more."""
    moved = [stream for stream, to in wanted.items() if stream not in hosts or hosts[stream].worker_id != to]
    return moved, [stream for stream in hosts if stream not in wanted]


def by_worker(hosts: Mapping[int, Holding], workers: Collection[str]) -> dict[str, tuple[tuple[int, int], ...]]:
    """worker_id -> (stream, lease) of what it hosts, in order, of those of these workers that host something."""
    streams: dict[str, list[tuple[int, int]]] = {}
    for stream, held in hosts.items():
        if held.worker_id in workers:
            streams.setdefault(held.worker_id, []).append((stream, held.lease))
    return {worker_id: tuple(sorted(mine)) for worker_id, mine in streams.items()}


def waiting_text(run: RunState) -> str:
    """Which streams nobody hosts; empty where all are hosted."""
    missing = [stream for stream in range(run.spec.data.streams) if stream not in run.hosts]
    verb = "has" if len(missing) == 1 else "have"
    return f"waiting for workers: {streams_text(missing)} {verb} no host" if missing else ""


def culprit(
    run: RunState, late: run_pb2.Late, workers: Mapping[str, WorkerState], now: float, limits: Limits
) -> WorkerState | None:
    """Who is to blame for a late stream; None where it is nobody who hosts it now.

    Where nobody pushes the stream, its host is only to blame once it had the time that the lateness took, or that it
    takes to find a lost worker: it may have got the stream a moment ago.
    """
    holding = run.hosts.get(late.stream)
    if holding is None:
        return None
    host = workers[holding.worker_id]
    if late.worker:
        return host if late.worker in (host.name, host.worker_id) else None
    return host if now - holding.since >= min(late.seconds, limits.lost_after_seconds) else None


def replaceable(run: RunState, stream: int, host: WorkerState, workers: Iterable[WorkerState]) -> bool:
    """Whether somebody else, who is not late, could host a stream."""
    return any(
        worker is not host
        and not worker.late
        and worker.shard in (None, stream)
        and eligible(worker.session, worker.has_loader, run.spec)
        for worker in workers
    )


def steady_gap(limits: Limits) -> float:
    """The longest silence, in seconds, of a worker that sends its heartbeats steadily."""
    return 3 * limits.heartbeat_seconds


def shows_life(worker: WorkerState, now: float, limits: Limits) -> bool:
    """Whether a late worker has been steady for long enough to count as any other."""
    return now - worker.steady_since >= limits.late_seconds and now - worker.seen <= steady_gap(limits)
