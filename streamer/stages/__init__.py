"""The stages between a source and the wire: one file, one stage.

For an indexed source shard, shuffle, interleave and repeat are arithmetic on positions, and only batch, map and
prefetch handle data. For a sequential source repeat and shard walk the user's own pipeline.
"""

from __future__ import annotations

from typing import Protocol, TypeVar

from wire.codec import Frame
from wire.cursor import Cursor

T_co = TypeVar("T_co", covariant=True)


class Stage(Protocol[T_co]):
    """A stage has a position, and no other state that matters: reset it there and the same items follow."""

    @property
    def position(self) -> Cursor:
        """The cursor of the item that `next` gives."""
        ...

    def reset(self, cursor: Cursor) -> None:
        """Go to this cursor. The item there comes next."""
        ...

    def next(self) -> T_co | None:
        """The item at the position, which moves on; None when the stream has ended."""
        ...


class FrameStage(Stage[Frame], Protocol):
    """A stage that gives finished batches, and lets go of what it holds when it is closed."""

    def interrupt(self) -> None:
        """From any thread: `next` raises SeamClosed as soon as user code lets it, however far it has to walk."""
        ...

    def close(self) -> None: ...
