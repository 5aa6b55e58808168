"""How waits are spread: counts in fixed buckets, cheap to take, exact to merge, from which quantiles are read.

A bucket is a quarter of a doubling wide, so a quantile is at most 25 % too high. Every process has the same buckets.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from math import frexp

_UNIT = 1e-6
"""Seconds; a shorter wait is none."""
_PER_DOUBLING = 4
_DOUBLINGS = 30
BUCKETS = 2 + _PER_DOUBLING * _DOUBLINGS
"""No wait, the buckets of 30 doublings from 1 microsecond on, and all that is longer (18 minutes)."""
_NOTES = 256


def bucket_of(seconds: float) -> int:
    """The number of the bucket that a wait falls into: 0 .. BUCKETS - 1."""
    fraction, exponent = frexp(seconds / _UNIT)
    if exponent < 1:
        return 0
    return min(_PER_DOUBLING * (exponent - 1) + int(2 * _PER_DOUBLING * fraction) - _PER_DOUBLING + 1, BUCKETS - 1)


def bound_of(bucket: int) -> float:
    """Seconds at which a bucket ends; the last one has no end."""
    if bucket == BUCKETS - 1:
        return float("inf")
    doublings, part = divmod(bucket, _PER_DOUBLING)
    return _UNIT * 2.0**doublings * (1 + part / _PER_DOUBLING)


@dataclass(frozen=True, slots=True)
class Spread:
    """counts: waits in each bucket from the first one on; buckets beyond the last that has any are left out."""

    counts: tuple[int, ...] = ()

    @classmethod
    def of(cls, waits: Iterable[float]) -> Spread:
        """The spread of these waits, in seconds."""
        recorder = SpreadRecorder()
        for seconds in waits:
            recorder.add(seconds)
        return recorder.reading()

    def __add__(self, other: Spread) -> Spread:
        """Both together."""
        return Spread(tuple(mine + theirs for mine, theirs in zip_longest(self.counts, other.counts, fillvalue=0)))

    @property
    def total(self) -> int:
        return sum(self.counts)

    def quantile(self, share: float) -> float:
        """Seconds that this share (0 .. 1) of the waits did not exceed; 0.0 of no waits."""
        wanted, seen = share * self.total, 0
        for bucket, count in enumerate(self.counts):
            seen += count
            if seen >= wanted and count:
                return bound_of(min(bucket, BUCKETS - 2)) if bucket else 0.0
        return 0.0

    def up_to(self, bounds: Sequence[int]) -> Iterator[tuple[float, int]]:
        """For each of these buckets, where it ends in seconds, and how many waits were no longer."""
        for bucket in bounds:
            yield bound_of(bucket), sum(self.counts[: bucket + 1])


class SpreadRecorder:
    """Takes waits one by one. One thread adds at a time; any thread may read meanwhile, without a lock.

    A wait is only noted when it is added, since that happens where another thread wants to go on; the notes are
    counted when there are many, or when somebody reads.
    """

    def __init__(self) -> None:
        self._state: tuple[Sequence[int], list[float]] = ((0,) * BUCKETS, [])  # changed as a whole, so read as a whole

    def add(self, seconds: float) -> None:
        counts, notes = self._state
        notes.append(seconds)
        if len(notes) >= _NOTES:
            self._state = _counted(counts, notes), []

    def reading(self, more: int = 0) -> Spread:
        """What was added so far, and `more` that waited not at all and were not added."""
        counts = _counted(*self._state)
        counts[0] += more
        while counts and not counts[-1]:
            counts.pop()
        return Spread(tuple(counts))


def _counted(counts: Sequence[int], notes: Iterable[float]) -> list[int]:
    counted = list(counts)
    for seconds in tuple(notes):
        counted[bucket_of(seconds)] += 1
    return counted
