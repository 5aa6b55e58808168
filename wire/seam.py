"""A seam: the one bounded queue between two stages, and the instrument that measures them.

Stages carry no timing code of their own; what a stage costs shows as waiting at the seams beside it.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


class SeamClosed(Exception):
    """The other side of the seam is gone: nothing more can be put, or nothing more will come."""


@dataclass(frozen=True, slots=True)
class SeamReading:
    """What a seam measured since it was made.

    items: items put. put_wait, get_wait: seconds that the producer and the consumer were blocked.
    occupancy: mean number of items found by a get. depth: items in the seam now; capacity: the most it holds.
    """

    name: str
    items: int
    put_wait: float
    get_wait: float
    occupancy: float
    depth: int
    capacity: int


class Seam(Generic[T]):
    """A bounded first-in first-out queue between one stage and the next.

    Closing it wakes both sides: `put` then raises SeamClosed at once, `get` after the items left are taken.
    """

    def __init__(self, name: str, capacity: int, clock: Callable[[], float] = time.perf_counter) -> None:
        if capacity < 1:
            raise ValueError(f"seam {name!r}: the capacity must be at least 1, got {capacity}")
        self.name = name
        self.capacity = capacity
        self._clock = clock
        self._items: deque[T] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._error: BaseException | None = None
        self._put, self._gets, self._found = 0, 0, 0
        self._put_wait, self._get_wait = 0.0, 0.0

    def put(self, item: T, timeout: float | None = None) -> None:
        """Add an item, waiting for room. Raises SeamClosed, or TimeoutError after `timeout` seconds."""
        with self._changed:
            if len(self._items) >= self.capacity and not self._closed:
                self._put_wait += self._block(lambda: len(self._items) < self.capacity, timeout, "no room")
            if self._closed:
                raise SeamClosed(self.name)
            self._items.append(item)
            self._put += 1
            self._changed.notify_all()

    def get(self, timeout: float | None = None) -> T:
        """Take the oldest item, waiting for one. Raises SeamClosed, TimeoutError, or the error it was failed with."""
        with self._changed:
            self._gets += 1
            self._found += len(self._items)
            if not self._items and not self._closed:
                self._get_wait += self._block(lambda: bool(self._items), timeout, "nothing came")
            if self._items:
                item = self._items.popleft()
                self._changed.notify_all()
                return item
            if self._error is not None:
                raise self._error
            raise SeamClosed(self.name)

    def close(self, error: BaseException | None = None) -> None:
        """Let nothing more in; `error` is raised to the consumer once the items left are taken."""
        with self._changed:
            self._closed = True
            self._error = self._error or error
            self._changed.notify_all()

    def reading(self) -> SeamReading:
        with self._changed:
            occupancy = self._found / self._gets if self._gets else 0.0
            depth = len(self._items)
            return SeamReading(
                self.name, self._put, self._put_wait, self._get_wait, occupancy, depth, self.capacity
            )

    def _block(self, ready: Callable[[], bool], timeout: float | None, what: str) -> float:
        start = self._clock()
        if not self._changed.wait_for(lambda: ready() or self._closed, timeout):
            raise TimeoutError(f"seam {self.name!r}: {what} within {timeout:g} s")
        return self._clock() - start
