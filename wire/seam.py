"""A seam: the one bounded queue between two stages, and the instrument that measures them.

Stages carry no timing code of their own; what a stage costs shows as waiting at the seams beside it.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from wire.spread import Spread, SpreadRecorder

T = TypeVar("T")


class SeamClosed(Exception):  # noqa: N818 - the end of a stream is news, not an error
    """The other side of the seam is gone: nothing more can be put, or nothing more will come."""


@dataclass(frozen=True, slots=True)
class SeamReading:
    """What a seam measured since it was made.

    items: items put. put_wait, get_wait: seconds that producers and consumers were blocked; waits that still go on
    or ran out of time count too. occupancy: mean number of items that a get found; one that took none does not count.
    depth: items in the seam now; capacity: the most it holds. put_waits, get_waits: how long each item that went in, or
    out, was waited for; the waits that ran out of time before it are part of its own. bytes: of the items put, where
    the producer says them.
    """

    name: str
    items: int
    put_wait: float
    get_wait: float
    occupancy: float
    depth: int
    capacity: int
    put_waits: Spread = field(default_factory=Spread)
    get_waits: Spread = field(default_factory=Spread)
    bytes: int = 0


class _Waits:
    """How long threads were blocked in all, those blocked right now included. Guarded by the seam's lock.

    What passes without waiting costs nothing here: it is known from the number of items.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._over = 0.0
        self._going_on: list[float] = []
        self._spread, self._recorded, self.in_vain = SpreadRecorder(), 0, 0.0

    def begin(self) -> float:
        """A thread is blocked from now on; what it hands to `end`."""
        start = self._clock()
        self._going_on.append(start)
        return start

    def end(self, start: float) -> None:
        self._going_on.remove(start)
        waited = self._clock() - start
        self._over += waited
        self.in_vain += waited

    def passed(self) -> None:
        """The item that was waited for came."""
        self._spread.add(self.in_vain)
        self._recorded += 1
        self.in_vain = 0.0

    def spread(self, items: int) -> Spread:
        """Of the waits for all items so far; one that was waited for and is not yet taken is among them."""
        return self._spread.reading(max(0, items - self._recorded))

    @property
    def blocked(self) -> int:
        """How many threads are, right now."""
        return len(self._going_on)

    def seconds(self) -> float:
        now = self._clock() if self._going_on else 0.0
        return self._over + sum(now - start for start in self._going_on)


class Seam(Generic[T]):
    """A bounded first-in first-out queue between one stage and the next. One thread takes from it, or several.

    What is put at once may count as several items; it then goes out at once, too. It needs room for one.

    Closing it wakes both sides: `put` then raises SeamClosed at once, `get` after the items left are taken. Waking a
    thread costs more than handing an item on, so a producer that found the seam full sleeps until half of it is free.
    """

    def __init__(self, name: str, capacity: int, clock: Callable[[], float] = time.perf_counter) -> None:
        if capacity < 1:
            raise ValueError(f"seam {name!r}: the capacity must be at least 1, got {capacity}")
        self.name = name
        self.capacity = capacity
        self._items: deque[tuple[T, int, int]] = deque()
        self._depth = 0
        lock = threading.Lock()
        self._lock, self._filled, self._freed = lock, threading.Condition(lock), threading.Condition(lock)
        self._closed = False
        self._error: BaseException | None = None
        self._put, self._taken, self._gets, self._found, self._bytes, self._bytes_out = 0, 0, 0, 0, 0, 0
        self._put_waits, self._get_waits = _Waits(clock), _Waits(clock)
        self._lingers: Callable[[], bool] | None = None

    def put(self, item: T, timeout: float | None = None, *, size: int = 0, count: int = 1) -> None:
        """Add what counts as `count` items and has `size` bytes, waiting for room.

        Raises SeamClosed, or TimeoutError after `timeout` seconds.
        """
        with self._lock:
            waited = self._depth >= self.capacity and not self._closed
            if waited:
                self._block(self._freed, self._put_waits, lambda: self._depth < self.capacity, timeout, "no room")
            if self._closed:
                raise SeamClosed(self.name)
            if waited or self._put_waits.in_vain:
                self._put_waits.passed()
            self._items.append((item, size, count))
            self._put += count
            self._depth += count
            self._bytes += size
            if self._get_waits.blocked and (self._lingers is None or self._lingers()):
                self._filled.notify_all()

    def get(self, timeout: float | None = None) -> T:
        """Take the oldest item, waiting for one. Raises SeamClosed, TimeoutError, or the error it was failed with."""
        with self._lock:
            self._await_one(timeout)
            return self._take()

    def get_some(self, most: int, nbytes: int, timeout: float | None = None, linger: float = 0.0) -> list[T]:
        """Take the oldest items, until they are `most` or have `nbytes`, waiting for one as `get` does.

        linger: seconds that more of them are then waited for; only one thread may do so at a time.
        """
        with self._lock:
            self._await_one(timeout)
            before = self._bytes_out

            def enough() -> bool:
                return self._depth >= min(most, self.capacity) or self._bytes - before >= nbytes

            if linger and not enough() and not self._closed:
                self._linger(enough, linger)
            taken = self._taken
            some = [self._take()]
            while self._items and self._taken - taken < most and self._bytes_out - before < nbytes:
                some.append(self._take())
            return some

    def resize(self, capacity: int) -> None:
        """From now on hold so many items, one at least; those that are there stay."""
        with self._lock:
            self.capacity = max(1, capacity)
            self._freed.notify_all()

    def close(self, error: BaseException | None = None) -> None:
        """Let nothing more in; `error` is raised to the consumer once the items left are taken."""
        with self._lock:
            self._closed = True
            self._error = self._error or error
            self._filled.notify_all()
            self._freed.notify_all()

    @property
    def depth(self) -> int:
        """Items in the seam now."""
        return self._depth

    def reading(self) -> SeamReading:
        with self._lock:
            return SeamReading(
                self.name,
                items=self._put,
                put_wait=self._put_waits.seconds(),
                get_wait=self._get_waits.seconds(),
                occupancy=self._found / self._gets if self._gets else 0.0,
                depth=self._depth,
                capacity=self.capacity,
                put_waits=self._put_waits.spread(self._put),
                get_waits=self._get_waits.spread(self._taken),
                bytes=self._bytes,
            )

    def _await_one(self, timeout: float | None) -> None:
        found = self._depth
        if not found and not self._closed:
            self._block(self._filled, self._get_waits, lambda: bool(self._items), timeout, "nothing came")
        if not self._items:
            raise self._error or SeamClosed(self.name)
        if not found or self._get_waits.in_vain:
            self._get_waits.passed()
        self._gets += 1
        self._found += found

    def _take(self) -> T:
        item, size, count = self._items.popleft()
        self._taken += count
        self._depth -= count
        self._bytes_out += size
        if self._put_waits.blocked and self._depth <= self.capacity // 2:
            self._freed.notify_all()
        return item

    def _linger(self, enough: Callable[[], bool], seconds: float) -> None:
        if self._put_waits.blocked:
            self._freed.notify_all()
        self._lingers = enough
        start, before = self._get_waits.begin(), self._put
        try:
            self._filled.wait_for(lambda: enough() or self._closed, seconds)
        finally:
            self._lingers = None
            self._get_waits.end(start)
        if self._put > before:
            self._get_waits.passed()

    def _block(
        self,
        changed: threading.Condition,
        waits: _Waits,
        ready: Callable[[], bool],
        timeout: float | None,
        what: str,
    ) -> None:
        start = waits.begin()
        try:
            if not changed.wait_for(lambda: ready() or self._closed, timeout):
                raise TimeoutError(f"seam {self.name!r}: {what} within {timeout:g} s")
        finally:
            waits.end(start)
