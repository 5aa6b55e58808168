"""The gate of one stream: which frames are let in. A state machine without sockets, threads or clocks."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from wire.codec import Frame
from wire.cursor import Cursor
from wire.errors import InvalidInput, StaleLease


class Verdict(enum.Enum):
    """What is done with a frame."""

    TAKE = "take"
    DROP = "drop"


@dataclass
class Gate:
    """Lets the batches of one stream in strictly by cursor, each once, from the holder of the newest lease only.

    expected: the cursor of the next batch wanted. lease: the highest one seen. ended: the stream's end was taken.
    """

    expected: Cursor
    lease: int = 0
    ended: bool = False

    def enter(self, lease: int) -> Cursor:
        """A host comes with a lease: where it must start. Raises StaleLease for a lease that is not the newest."""
        if lease < self.lease:
            raise self._stale(lease)
        self.lease = lease
        return self.expected

    def judge(self, lease: int, frame: Frame) -> Verdict:
        """Take a frame or drop a duplicate. Raises StaleLease, and InvalidInput where a batch is missing."""
        if lease != self.lease:
            raise self._stale(lease)
        if frame.cursor.stream != self.expected.stream:
            raise InvalidInput(f"a frame of {frame.cursor} came in a push of stream {self.expected.stream}")
        if frame.cursor < self.expected or self.ended:
            return Verdict.DROP
        if frame.cursor > self.expected:
            raise InvalidInput(f"{self.expected} is missing: {frame.cursor} came in its place")
        if not frame.end and frame.following <= frame.cursor:
            raise InvalidInput(f"{frame.cursor} says that it is followed by {frame.following}")
        self.expected, self.ended = frame.following, frame.end
        return Verdict.TAKE

    def _stale(self, lease: int) -> StaleLease:
        return StaleLease(
            f"lease {lease} of stream {self.expected.stream} is stale; lease {self.lease} holds the stream now",
            fix="nothing: another worker hosts the stream",
        )
