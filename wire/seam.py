"""A seam: the one bounded queue between two stages, and the instrument that measures them.

Stages carry no timing code of their own; what a stage costs shows as waiting at the seams beside it.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


class SeamClosed(Exception):  # noqa: N818 - the end of a stream is news, not an error
    """The other side of the seam is gone: nothing more can be put, or nothing more will come."""


@dataclass(frozen=True, slots=True)
class SeamReading:
    """What a seam measured since it was made.

    items: items put. put_wait, get_wait: seconds that producers and consumers were blocked; waits that still go on
    or ran out of time count too. occupancy: mean number of items that a get found; one that took none does not count.
    depth: items in the seam now; capacity: the most it holds.
    """

    name: str
    items: int
    put_wait: float
    get_wait: float
    occupancy: float
    depth: int
    capacity: int


class _Waits:
    """How long threads were blocked in all, those blocked right now included. Guarded by the seam's lock."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._over = 0.0
        self._going_on: list[float] = []

    @contextmanager
    def one(self) -> Iterator[None]:
        start = self._clock()
        self._going_on.append(start)
        try:
            yield
        finally:
            self._going_on.remove(start)
            self._over += self._clock() - start

    def seconds(self) -> float:
        now = self._clock() if self._going_on else 0.0
        return self._over + sum(now - start for start in self._going_on)


class Seam(Generic[T]):
    """A bounded first-in first-out queue between one stage and the next.

    Closing it wakes both sides: `put` then raises SeamClosed at once, `get` after the items left are taken.
    """

    def __init__(self, name: str, capacity: int, clock: Callable[[], float] = time.perf_counter) -> None:
        if capacity < 1:
            raise ValueError(f"seam {name!r}: the capacity must be at least 1, got {capacity}")
        self.name = name
        self.capacity = capacity
        self._items: deque[T] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._error: BaseException | None = None
        self._put, self._taken, self._found = 0, 0, 0
        self._put_waits, self._get_waits = _Waits(clock), _Waits(clock)

    def put(self, item: T, timeout: float | None = None) -> None:
        """Add an item, waiting for room. Raises SeamClosed, or TimeoutError after `timeout` seconds."""
        with self._changed:
            if len(self._items) >= self.capacity and not self._closed:
                self._block(self._put_waits, lambda: len(self._items) < self.capacity, timeout, "no room")
            if self._closed:
                raise SeamClosed(self.name)
            self._items.append(item)
            self._put += 1
            self._changed.notify_all()

    def get(self, timeout: float | None = None) -> T:
        """Take the oldest item, waiting for one. Raises SeamClosed, TimeoutError, or the error it was failed with."""
        with self._changed:
            found = len(self._items)
            if not found and not self._closed:
                self._block(self._get_waits, lambda: bool(self._items), timeout, "nothing came")
            if not self._items:
                raise self._error or SeamClosed(self.name)
            self._taken += 1
            self._found += found
            self._changed.notify_all()
            return self._items.popleft()

    def close(self, error: BaseException | None = None) -> None:
        """Let nothing more in; `error` is raised to the consumer once the items left are taken."""
        with self._changed:
            self._closed = True
            self._error = self._error or error
            self._changed.notify_all()

    def reading(self) -> SeamReading:
        with self._changed:
            return SeamReading(
                self.name,
                items=self._put,
                put_wait=self._put_waits.seconds(),
                get_wait=self._get_waits.seconds(),
                occupancy=self._found / self._taken if self._taken else 0.0,
                depth=len(self._items),
                capacity=self.capacity,
            )

    def _block(self, waits: _Waits, ready: Callable[[], bool], timeout: float | None, what: str) -> None:
        with waits.one():
            if not self._changed.wait_for(lambda: ready() or self._closed, timeout):
                raise TimeoutError(f"seam {self.name!r}: {what} within {timeout:g} s")
