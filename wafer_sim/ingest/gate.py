"""The gate of one stream: which frames are let in. A state machine without sockets, threads or clocks."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from wafer_sim.ledger import LoaderState, StreamPosition
from wire.codec import Frame
from wire.cursor import Cursor
from wire.errors import InvalidInput, StaleLease
from wire.history import BEGINNING, history_over


class Verdict(enum.Enum):
    """What is done with a frame."""

    TAKE = "take"
    DROP = "drop"


@dataclass
class Gate:
    """Lets the batches of one stream in strictly by cursor, each once, from the holder of the newest lease only.

    expected: the cursor of the next batch wanted. history: of what was let in of its epoch (wire.history).
    loader_state: the newest one of that epoch. lease: the highest one seen. ended: the stream's end was taken.
    """

    expected: Cursor
    history: bytes = BEGINNING
    loader_state: LoaderState | None = None
    lease: int = 0
    ended: bool = False

    @classmethod
    def after(cls, position: StreamPosition) -> Gate:
        """The gate of a stream that goes on from here."""
        return cls(position.cursor, position.history, position.loader_state)

    def enter(self, lease: int) -> Cursor:
        """A host comes with a lease: where it must start. Raises StaleLease for a lease that is not the newest."""
        if lease < self.lease:
            raise self._stale(lease)
        self.lease = lease
        return self.expected

    def require(self, lease: int) -> None:
        """Raises StaleLease for a lease that does not hold the stream."""
        if lease != self.lease:
            raise self._stale(lease)

    def judge(self, lease: int, frame: Frame) -> Verdict:
        """Take a frame or drop a duplicate. Raises StaleLease, and InvalidInput where a batch is missing.

        A frame is taken whole or not at all: one of which only the first batches came before is refused, too.
        """
        self.require(lease)
        if frame.cursor.stream != self.expected.stream:
            raise InvalidInput(f"a frame of {frame.cursor} came in a push of stream {self.expected.stream}")
        if frame.cursor < self.expected or self.ended:
            if not self.ended and frame.following > self.expected:
                raise InvalidInput(f"{self.expected} comes in the middle of the batches from {frame.cursor} on")
            return Verdict.DROP
        if frame.cursor > self.expected:
            raise InvalidInput(f"{self.expected} is missing: {frame.cursor} came in its place")
        if frame.end:
            self.ended = True
        else:
            self._let_in(frame)
        return Verdict.TAKE

    def _let_in(self, frame: Frame) -> None:
        last = frame.cursor.further(frame.batches - 1)
        if frame.following.stream != frame.cursor.stream or frame.following <= last:
            raise InvalidInput(f"{frame.cursor} says that it is followed by {frame.following}")
        self.expected = frame.following
        if frame.following.epoch != frame.cursor.epoch:
            self.history, self.loader_state = BEGINNING, None
        else:
            self.history = history_over(self.history, frame.cursor, frame.digests)
        if frame.loader_state:
            self.loader_state = LoaderState(frame.following, frame.loader_state)

    def _stale(self, lease: int) -> StaleLease:
        return StaleLease(
            f"lease {lease} of stream {self.expected.stream} is stale; lease {self.lease} holds the stream now",
            fix="nothing: another worker hosts the stream",
        )
