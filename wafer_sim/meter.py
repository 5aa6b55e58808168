"""The meter of a run: rate, utilisation and stall, from two clock readings a step. No clock of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from wafer_sim.timeline import Interval, Timeline

WARM_UP_STEPS = 10
UNATTRIBUTED = "unattributed"
LATE = "late"


@dataclass(frozen=True, slots=True)
class Reading:
    """What a meter measured. Times in seconds; rates in samples per second; utilisation 0 .. 1 (AU).

    late_seconds: the part of stall_seconds that was for late streams. busy_seconds: all the rest, which
    is work: with stall_seconds they make up `seconds`.
    """

    steps: int
    samples: int
    seconds: float
    stall_seconds: float
    rate: float
    recent_rate: float
    utilisation: float
    late_seconds: float = 0.0
    busy_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class _Mark:
    """The totals at one moment, from which a measurement begins."""

    now: float
    samples: int
    stall: float
    paused: float
    late: float = 0.0
    busy: float = 0.0


class Meter:
    """Counts steps; the first ones (MLPerf Storage excludes them too) are left out of rate and utilisation.

    A run without a step beyond the warm-up is measured whole.
    """

    def __init__(self, now: float, warm_up: int = WARM_UP_STEPS) -> None:
        self._warm_up = warm_up
        self._steps = self._samples = 0
        self._stall = self._late = self._busy = self._paused = self._pausing = 0.0
        self._now = self._lap_start = now
        self._lap_samples, self._recent = 0, 0.0
        self._timeline = Timeline(now)
        self._from = self._warm = _Mark(now, 0, 0.0, 0.0)

    def step(self, now: float, samples: int, stall: float, late: float = 0.0) -> None:
        """A step ended at `now`, after waiting `stall` seconds for its input, `late` of them for late streams.

        What else there was since the step before, pauses left out, was work.
        """
        self._steps += 1
        self._samples += samples
        self._stall += stall
        self._late += late
        self._busy += now - self._now - self._pausing - stall
        self._paused += self._pausing
        self._pausing = 0.0
        self._now = now
        if self._steps == self._warm_up:
            self._warm = _Mark(now, self._samples, self._stall, self._paused, self._late, self._busy)
        elif self._steps == self._warm_up + 1:
            self._from = self._warm

    def pause(self, seconds: float) -> None:
        """Time that is neither work nor stall: a checkpoint was written. It lies before the end of the next step."""
        self._pausing += seconds

    def lap(self) -> None:
        """Begin a new interval for the recent rate."""
        if self._now > self._lap_start:
            self._timeline.mark(self._now, self._samples, self._stall)
            self._recent = (self._samples - self._lap_samples) / (self._now - self._lap_start)
        self._lap_start, self._lap_samples = self._now, self._samples

    def intervals(self) -> list[Interval]:
        """How the rate went, to the end of the last step."""
        self.lap()
        return self._timeline.intervals()

    def reading(self) -> Reading:
        begun = self._from
        seconds = max(0.0, self._now - begun.now - (self._paused - begun.paused))
        stall = self._stall - begun.stall
        rate = (self._samples - begun.samples) / seconds if seconds > 0 else 0.0
        utilisation = 1.0 - stall / seconds if seconds > 0 else 0.0
        utilisation = min(1.0, max(0.0, utilisation))
        late, busy = self._late - begun.late, self._busy - begun.busy
        return Reading(self._steps, self._samples, seconds, stall, rate, self._recent, utilisation, late, busy)


def attribute(stall: float, waits: Mapping[str, float], late: float = 0.0) -> dict[str, float]:
    """Split a stall over the seams in proportion to how long each kept its consumer waiting.

    waits: seam -> seconds. Without any wait on record the stall belongs to "unattributed". late: seconds of the stall
    that late streams caused; they are no seam's but a part of their own.
    """
    late = min(max(0.0, late), stall)
    rest, total = stall - late, sum(waits.values())
    parts = {LATE: late} if late > 0.0 else {}
    if rest <= 0.0:
        return parts
    if total <= 0.0:
        return parts | {UNATTRIBUTED: rest}
    return parts | {seam: rest * (wait / total) for seam, wait in waits.items() if wait > 0.0}
