"""When a sample is where: the way of one sample through the kernels, forward and back, and how many are on the way."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from wafer_sim.fabric.work import Work


@dataclass(frozen=True, slots=True)
class Times:
    """Of one sample, in cycles after it came. By kernel: begun (forward) and done (backward; forward in inference).

    latency: until it has left the last kernel.
    """

    begun: tuple[float, ...]
    done: tuple[float, ...]
    latency: float

    def in_flight(self, interval: float, work: Work) -> tuple[int, ...]:
        """By kernel, how many samples it holds at once when one comes every `interval` cycles.

        One more where samples come in parts, which wait for parts of others.
        """
        spans = (done - begun for begun, done in zip(self.begun, self.done, strict=True))
        more = 1 + any(kernel.parts > 1 for kernel in work.kernels)
        return tuple(min(math.floor(span / interval) + more, work.batch_size) for span in spans)


def links(work: Work) -> tuple[tuple[int, ...], ...]:
    """By kernel, the places of the kernels that feed it."""
    place = {kernel.name: i for i, kernel in enumerate(work.kernels)}
    return tuple(tuple(place[name] for name in kernel.inputs) for kernel in work.kernels)


def times(work: Work, forward: Sequence[float], backward: Sequence[float]) -> Times:
    """The way of one sample alone, by the cycles of each kernel's phases. backward: empty in inference."""
    feeds, parts = links(work), [max(kernel.parts, 1) for kernel in work.kernels]
    begun, ended = _pass(parts, feeds, forward, 0.0)
    turned = max(ended, default=0.0)
    if not backward:
        return Times(begun, ended, turned)
    _, done = _pass(parts[::-1], turned_round(feeds), backward[::-1], turned)
    return Times(begun, done[::-1], max(done, default=0.0))


def holding(work: Work, forward: Sequence[float], backward: Sequence[float]) -> Times:
    """The same for memory: what goes forward goes first, so each backward phase may be interrupted by a forward one."""
    return times(work, forward, [b + f for f, b in zip(forward, backward, strict=False)])


def turned_round(feeds: Sequence[Sequence[int]]) -> list[list[int]]:
    """The same links the other way, kernels counted from the last one."""
    last = len(feeds) - 1
    fed: list[list[int]] = [[] for _ in feeds]
    for i, sources in enumerate(feeds):
        for source in sources:
            fed[last - source].append(last - i)
    return fed


def parts_before(parts: int, of: int) -> int:
    """How many of an input's `of` parts have to be there before the first of a kernel's own `parts`."""
    return -(-of // parts)


def _pass(
    parts: Sequence[int], feeds: Sequence[Sequence[int]], cycles: Sequence[float], at: float
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """When each kernel begins and ends."""
    begun: list[float] = []
    ended: list[float] = []
    for own, sources, takes in zip(parts, feeds, cycles, strict=True):
        shares = [parts_before(own, parts[s]) / parts[s] for s in sources]
        ready = [begun[s] + (ended[s] - begun[s]) * share for s, share in zip(sources, shares, strict=True)]
        start = max(ready, default=at)
        begun.append(start)
        ended.append(max([start + takes, *(ended[s] + takes / own for s in sources)]))
    return tuple(begun), tuple(ended)
