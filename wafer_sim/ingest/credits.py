"""Credits: how much a stream may send ahead of what its replica has taken. Pure arithmetic."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class CreditWindow:
    """A window of batches and bytes for one stream; what the replica takes is granted again, in lumps.

    What has been let in and not taken, what is granted and not used, and what waits to be granted add up to the
    window. A sender may send while its batch credit and its byte credit are above zero, so batches larger than the
    whole window still pass. A grant waits until a quarter of the window has gathered: no message per batch.
    """

    batches: int
    bytes: int
    _held: int = 0
    _held_bytes: int = 0
    _back: int = 0
    _back_bytes: int = 0

    @property
    def open(self) -> int:
        """Batches that may still be sent; below zero where the last ones came together."""
        return self.batches - self._held - self._back

    def reopen(self) -> tuple[int, int]:
        """A new sender comes: the (batches, bytes) it may send. What the last one had left is void.

        Where that one has overdrawn the window with its last batches, the first ones that come back are not granted.
        """
        room, room_bytes = self.batches - self._held, self.bytes - self._held_bytes
        self._back, self._back_bytes = min(0, room), min(0, room_bytes)
        return max(0, room), max(0, room_bytes)

    def entered(self, batches: int, nbytes: int) -> None:
        """Batches of `nbytes` wire bytes were let in."""
        self._held += batches
        self._held_bytes += nbytes

    def taken(self, batches: int, nbytes: int) -> tuple[int, int] | None:
        """The replica took batches: the (batches, bytes) to grant now, None for not yet."""
        self._held -= batches
        self._held_bytes -= nbytes
        return self.returned(batches, nbytes)

    def returned(self, batches: int, nbytes: int) -> tuple[int, int] | None:
        """Credits come back without a batch (duplicates were dropped)."""
        self._back += batches
        self._back_bytes += nbytes
        enough = 4 * self._back >= self.batches or 4 * self._back_bytes >= self.bytes
        if not enough or min(self._back, self._back_bytes) < 0:
            return None
        grant = self._back, self._back_bytes
        self._back = self._back_bytes = 0
        return grant
