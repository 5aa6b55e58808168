"""Messages that are made where they are sent from: each has one payload, and is used again once it was sent."""

from __future__ import annotations

import threading
from collections import deque

from wire.codec import beginning_of
from wire.payload import Layout
from wire.room import Envelope, Room

SMALLEST_BYTES = 1 << 17
"""Smaller payloads share a message: copying them costs less than a message of their own."""
_KEPT = 8


class Envelopes:
    """The messages of one push, as streamer.stages.Rooms. One thread makes frames in them, another sends them."""

    def __init__(self) -> None:
        self._free: deque[Envelope] = deque(maxlen=_KEPT)
        self._last: Envelope | None = None
        self._lock = threading.Lock()

    def room(self, layout: Layout, batches: int) -> Room | None:
        """Room for a payload and what comes before it; None for a small one."""
        if layout.size < SMALLEST_BYTES:
            return None
        envelope = self._taken(beginning_of(layout.rows, batches), layout.size)
        return Room(layout, envelope.payload(), envelope=envelope)

    def drop(self, room: Room) -> None:
        """It is not used again."""

    def sent(self, envelope: Envelope | None) -> None:
        """A message was sent. gRPC holds the last one, so the one before it is free."""
        with self._lock:
            if self._last is not None:
                self._free.append(self._last)
            self._last = envelope

    def _taken(self, head: int, size: int) -> Envelope:
        with self._lock:
            for envelope in self._free:
                if (envelope.head, envelope.size) == (head, size) and envelope.is_free:
                    self._free.remove(envelope)
                    return envelope
        return Envelope(head, size)
