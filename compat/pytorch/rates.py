"""Rates as code of that time reads them."""

from __future__ import annotations

import time

from clients.report import Outcome


class RateTracker:
    """Counts samples. `rate` is since it was asked last, `global_rate` since the start; in samples per second."""

    def __init__(self) -> None:
        self._count = self._partial_count = 0
        self._begun = self._last = time.perf_counter()
        self._known: float | None = None

    @classmethod
    def of(cls, outcome: Outcome | None) -> RateTracker | None:
        """The rates of a run that has ended; None where there is none."""
        if outcome is None:
            return None
        made = cls()
        made._count, made._known = outcome.samples, outcome.rate
        return made

    def add(self, count: int) -> None:
        self._partial_count += count

    def rate(self) -> float:
        now = time.perf_counter()
        count, seconds = self._partial_count, now - self._last
        self._count, self._partial_count, self._last = self._count + count, 0, now
        return count / seconds if seconds else 0.0

    def global_rate(self) -> float:
        if self._known is not None:
            return self._known
        seconds = time.perf_counter() - self._begun
        return (self._count + self._partial_count) / seconds if seconds else 0.0
