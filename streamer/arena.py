"""Where the payloads of a push lie in shared memory: each takes a place, which is free again once it has landed."""

from __future__ import annotations

import threading
from collections import deque

from wire.payload import Bytes, Layout
from wire.room import Room

ALIGNMENT = 64


class Places:
    """Arithmetic of the places in memory of `size` bytes. They come free in the order in which they were sent.

    The lowest place that is large enough is taken: what was written last time is still in a cache.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._taken: dict[int, int] = {}
        self._sent: deque[int | None] = deque()

    def take(self, size: int) -> int | None:
        """Where so many bytes have room, at a multiple of ALIGNMENT; None where they have none now."""
        start = 0
        for first, stop in sorted(self._taken.items()):
            if first - start >= size:
                break
            start = max(start, stop + -stop % ALIGNMENT)
        if start + size > self._size:
            return None
        self._taken[start] = start + size
        return start

    def send(self, place: int | None) -> None:
        """The next frame lies at a place that was taken, or at none."""
        self._sent.append(place)

    def drop(self, place: int) -> None:
        """A place that was taken is not sent, and free."""
        del self._taken[place]

    def free(self, count: int) -> None:
        """The places of so many frames that were sent first are free."""
        for _ in range(min(count, len(self._sent))):
            place = self._sent.popleft()
            if place is not None:
                self.drop(place)


class Arena:
    """The memory of one push, as wire.codec.Shelf and streamer.stages.Rooms.

    One thread makes frames in it, another sends them, a third one hears what landed.
    """

    def __init__(self, memory: Bytes) -> None:
        self._memory = memory
        self._places = Places(len(memory))
        self._landed = 0
        self._lock = threading.Lock()

    def room(self, layout: Layout, batches: int) -> Room | None:
        """Room for a payload, which is sent later or dropped."""
        with self._lock:
            place = self._places.take(layout.size)
        return None if place is None else Room(layout, self._memory[place : place + layout.size], place)

    def drop(self, room: Room) -> None:
        if room.place is not None:
            with self._lock:
                self._places.drop(room.place)

    def send(self, room: Room) -> None:
        with self._lock:
            self._places.send(room.place)

    def place(self, size: int) -> tuple[int, Bytes] | None:
        with self._lock:
            place = self._places.take(size)
            self._places.send(place)
        return None if place is None else (place, self._memory[place : place + size])

    def landed(self, frames: int) -> None:
        """So many of the frames have landed by now, those that were sent first."""
        with self._lock:
            self._places.free(frames - self._landed)
            self._landed = frames
