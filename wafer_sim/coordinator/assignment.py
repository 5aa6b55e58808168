"""Who hosts which stream: pure functions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from wire.v1 import run_pb2


@dataclass(frozen=True, slots=True)
class Host:
    """A worker that may host streams. pinned: the only stream it hosts; None where it hosts any."""

    worker_id: str
    pinned: int | None = None


def eligible(session: str, has_loader: bool, spec: run_pb2.RunSpec) -> bool:
    """Whether a worker may host streams of a run: its session fits, and it can make the run's batches."""
    return session in ("", spec.session) and (has_loader or bool(spec.data.recipe))


def assign(streams: int, hosts: Sequence[Host], current: Mapping[int, str]) -> dict[int, str]:
    """stream -> worker_id for every stream that somebody can host.

    A pinned worker gets its stream, the first of `hosts` that is pinned to it; the others share the rest so that
    their counts differ by at most one, and of all such ways this is one that moves the fewest streams away from
    `current`. The same arguments always give the same answer.
    """
    pinned = _pinned(streams, hosts)
    free = [stream for stream in range(streams) if stream not in pinned]
    sharers = [host.worker_id for host in hosts if host.pinned is None]
    return pinned | _shared(free, sharers, current)


def _pinned(streams: int, hosts: Iterable[Host]) -> dict[int, str]:
    chosen: dict[int, str] = {}
    for host in hosts:
        if host.pinned is not None and host.pinned < streams:
            chosen.setdefault(host.pinned, host.worker_id)
    return chosen


def _shared(free: Sequence[int], sharers: Sequence[str], current: Mapping[int, str]) -> dict[int, str]:
    if not sharers:
        return {}
    held = {worker: [s for s in free if current.get(s) == worker] for worker in sharers}
    each, over = divmod(len(free), len(sharers))
    # Who holds most keeps one more: that is what moves least. `sorted` is stable, so joining order breaks ties.
    richest = sorted(sharers, key=lambda worker: -len(held[worker]))
    quota = {worker: each + (rank < over) for rank, worker in enumerate(richest)}
    kept = {stream: worker for worker in sharers for stream in held[worker][: quota[worker]]}
    room = (worker for worker in sharers for _ in range(quota[worker] - len(held[worker][: quota[worker]])))
    return kept | dict(zip((s for s in free if s not in kept), room, strict=True))
