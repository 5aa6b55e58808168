"""Where the payloads of a push lie in shared memory: each takes a place, which is free again once it has landed."""

from __future__ import annotations

import threading
from collections import deque

from wire.payload import Bytes

ALIGNMENT = 64


class Places:
    """Arithmetic of the places in memory of `size` bytes. They come free in the order in which they were taken.

    The lowest place that is large enough is taken: what was written last time is still in a cache.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._taken: deque[tuple[int, int]] = deque()

    def take(self, size: int) -> int | None:
        """Where so many bytes have room, at a multiple of ALIGNMENT. None, taken all the same, where they have none."""
        start = 0
        for first, stop in sorted(self._taken):
            if first - start >= size:
                break
            start = max(start, stop + -stop % ALIGNMENT)
        fits = start + size <= self._size
        self._taken.append((start, start + size) if fits else (0, 0))
        return start if fits else None

    def free(self, count: int) -> None:
        """So many places that were taken first are free."""
        for _ in range(min(count, len(self._taken))):
            self._taken.popleft()


class Arena:
    """The memory of one push, as wire.codec.Shelf. One thread places frames, another hears what landed."""

    def __init__(self, memory: Bytes) -> None:
        self._memory = memory
        self._places = Places(len(memory))
        self._landed = 0
        self._lock = threading.Lock()

    def place(self, size: int) -> tuple[int, Bytes] | None:
        with self._lock:
            place = self._places.take(size)
        return None if place is None else (place, self._memory[place : place + size])

    def landed(self, frames: int) -> None:
        """So many of the frames have landed by now, those that were placed first."""
        with self._lock:
            self._places.free(frames - self._landed)
            self._landed = frames
