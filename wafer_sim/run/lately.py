"""What costs too much to be looked at in every step: it is looked at now and then, and what was seen is said again."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Lately(Generic[T]):
    """What `look` gave, at most `seconds` ago."""

    def __init__(self, look: Callable[[], T], seconds: float, clock: Callable[[], float] = time.perf_counter) -> None:
        self._look, self._seconds, self._clock = look, seconds, clock
        self._seen: tuple[float, T] | None = None

    def __call__(self) -> T:
        now = self._clock()
        if self._seen is None or now - self._seen[0] >= self._seconds:
            self._seen = now, self._look()
        return self._seen[1]

    def forget(self) -> None:
        """The next time it is looked at again."""
        self._seen = None
