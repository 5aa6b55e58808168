"""How the rate of a run went: intervals, few enough to be sent with its last word. No clock of its own."""

from __future__ import annotations

from dataclasses import dataclass

MOST = 240


@dataclass(frozen=True, slots=True)
class Interval:
    """seconds: its end, from the first moment on. samples, stall: of the steps that ended in it; stall in seconds."""

    seconds: float
    samples: int
    stall: float

    def joined(self, following: Interval) -> Interval:
        """This one and the one after it."""
        return Interval(following.seconds, self.samples + following.samples, self.stall + following.stall)


class Timeline:
    """Intervals from the moment `now` on. When they are `most`, each two neighbours become one."""

    def __init__(self, now: float, most: int = MOST) -> None:
        self._begun, self._most = now, most
        self._samples, self._stall = 0, 0.0
        self._marks, self._together = 0, 1
        self._intervals: list[Interval] = []

    def mark(self, now: float, samples: int, stall: float) -> None:
        """By `now` so many samples were taken in all, and their steps had waited so many seconds in all."""
        interval = Interval(now - self._begun, samples - self._samples, stall - self._stall)
        self._samples, self._stall = samples, stall
        if self._marks % self._together:
            self._intervals[-1] = self._intervals[-1].joined(interval)
        else:
            self._intervals.append(interval)
        self._marks += 1
        if len(self._intervals) >= self._most:
            self._halve()

    def intervals(self) -> list[Interval]:
        """In order."""
        return list(self._intervals)

    def _halve(self) -> None:
        old = self._intervals
        pairs = [old[at].joined(old[at + 1]) for at in range(0, len(old) - 1, 2)]
        self._intervals = pairs + old[2 * len(pairs) :]
        self._together *= 2
