"""Credits as a sender sees them: what it may still send."""

from __future__ import annotations

import threading


class Credits:
    """Batches and bytes that may be sent. Granted by the consumer, spent by the sender.

    Batches may go while both counts are above zero, so they can fall below it by one frame, or message, at most.
    """

    def __init__(self) -> None:
        self._batches = self._bytes = 0
        self._closed = False
        self._changed = threading.Condition()

    def grant(self, batches: int, nbytes: int) -> None:
        with self._changed:
            self._batches += batches
            self._bytes += nbytes
            self._changed.notify_all()

    def close(self) -> None:
        """Nothing may be sent any more; whoever waits is woken."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def wait(self) -> int:
        """Wait until something may be sent: how many batches; 0 once closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or (self._batches > 0 and self._bytes > 0))
            return 0 if self._closed else self._batches

    def spend(self, batches: int, nbytes: int) -> None:
        with self._changed:
            self._batches -= batches
            self._bytes -= nbytes
