"""Who hosts which stream: pure functions."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from wire.v1 import run_pb2


@dataclass(frozen=True, slots=True)
class Host:
    """A worker that may host streams. pinned: the only stream it hosts; None where it hosts any.

    late: the streams that it was late with; while there are any, it gets nothing that another can host.
    """

    worker_id: str
    pinned: int | None = None
    late: frozenset[int] = frozenset()


def eligible(session: str, has_loader: bool, spec: run_pb2.RunSpec) -> bool:
    """Whether a worker may host streams of a run: its session fits, and it can make the run's batches."""
    return session in ("", spec.session) and (has_loader or bool(spec.data.recipe))


def assign(streams: int, hosts: Sequence[Host], current: Mapping[int, str]) -> dict[int, str]:
    """stream -> worker_id for every stream that somebody can host.

    A pinned worker gets its stream, the first of `hosts` that is pinned to it and not late with it. The others share
    the rest so that their counts differ by at most one, and of all such ways this is one that moves the fewest
    streams away from `current`. A late worker keeps what it has, up to its share, but for the streams it is late
    with, and gets nothing new; where nobody else is left, the late ones host everything, if they can not what they
    are late with. The same arguments always give the same answer. Linear in streams and hosts.
    """
    fit = [host for host in hosts if not host.late]
    late = [host for host in hosts if host.late]
    sharers = [host for host in fit if host.pinned is None]
    chosen = _pinned(streams, (h for h in hosts if h.pinned not in h.late))
    rest = [stream for stream in range(streams) if stream not in chosen]
    if not sharers:
        chosen |= _shared_by_late(rest, [host for host in late if host.pinned is None], current)
        return chosen | _pinned(streams, (h for h in late if h.pinned not in chosen))
    chosen |= _kept_by_late(rest, len(sharers), [host for host in late if host.pinned is None], current)
    return chosen | _shared([s for s in rest if s not in chosen], [host.worker_id for host in sharers], current)


def _pinned(streams: int, hosts: Iterable[Host]) -> dict[int, str]:
    chosen: dict[int, str] = {}
    for host in hosts:
        if host.pinned is not None and host.pinned < streams:
            chosen.setdefault(host.pinned, host.worker_id)
    return chosen


def _held(free: Iterable[int], workers: Iterable[str], current: Mapping[int, str]) -> dict[str, list[int]]:
    held: dict[str, list[int]] = {worker: [] for worker in workers}
    for stream in free:
        if (worker := current.get(stream)) in held:
            held[worker].append(stream)
    return held


def _shared(free: Sequence[int], sharers: Sequence[str], current: Mapping[int, str]) -> dict[int, str]:
    held = _held(free, sharers, current)
    each, over = divmod(len(free), len(sharers))
    # Who holds most keeps one more: that is what moves least. `sorted` is stable, so joining order breaks ties.
    richest = sorted(sharers, key=lambda worker: -len(held[worker]))
    quota = {worker: each + (rank < over) for rank, worker in enumerate(richest)}
    kept = {stream: worker for worker in sharers for stream in held[worker][: quota[worker]]}
    room = (worker for worker in sharers for _ in range(quota[worker] - len(held[worker][: quota[worker]])))
    return kept | dict(zip((s for s in free if s not in kept), room, strict=True))


def _kept_by_late(free: Sequence[int], others: int, late: Sequence[Host], current: Mapping[int, str]) -> dict[int, str]:
    if not late:
        return {}
    share = -(-len(free) // (others + len(late)))
    held = _held(free, (host.worker_id for host in late), current)
    mine = {host.worker_id: [s for s in held[host.worker_id] if s not in host.late][:share] for host in late}
    return {stream: worker for worker, streams in mine.items() for stream in streams}


def _shared_by_late(free: Sequence[int], late: Sequence[Host], current: Mapping[int, str]) -> dict[int, str]:
    """What is in good hands stays, what is not goes to who hosts least and was not late with it; else it stays."""
    if not late:
        return {}
    excluded = {host.worker_id: host.late for host in late}
    chosen = {s: w for s in free if (w := current.get(s, "")) in excluded and s not in excluded[w]}
    held = _held(chosen, excluded, chosen)
    heap = [(len(held[host.worker_id]), rank, host.worker_id) for rank, host in enumerate(late)]
    heapq.heapify(heap)
    for stream in free:
        if stream not in chosen:
            chosen[stream] = _next_host(heap, stream, excluded, current.get(stream, ""))
    return chosen


def _next_host(
    heap: list[tuple[int, int, str]], stream: int, excluded: Mapping[str, frozenset[int]], holder: str
) -> str:
    passed = []
    while heap and stream in excluded[heap[0][2]]:
        passed.append(heapq.heappop(heap))
    stays = next((place for place, entry in enumerate(passed) if entry[2] == holder), 0)
    load, rank, worker = heapq.heappop(heap) if heap else passed.pop(stays)
    for entry in (*passed, (load + 1, rank, worker)):
        heapq.heappush(heap, entry)
    return worker
