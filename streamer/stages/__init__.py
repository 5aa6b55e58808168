"""The stages between a source and the wire: one file, one stage.

For an indexed source shard, shuffle, interleave and repeat are arithmetic on positions, and only batch, map and
prefetch handle data. For a sequential source repeat and shard walk the user's own pipeline.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar

from streamer.order import Rows
from wire.codec import Frame
from wire.cursor import Cursor
from wire.elements import Batch, ElementSpec
from wire.payload import Layout
from wire.room import Room

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


@dataclass(frozen=True, slots=True)
class Occasion:
    """For what rows are read: in a run with this seed, in this epoch, these rows, (n,) int64.

    where: what a row's number stands for, as IndexedSource.where.
    """

    seed: int
    epoch: int
    rows: Rows
    where: Callable[[int], str]


class RowMap(Protocol):
    """Something that is made of each row for itself: a pure function of its values and the occasion."""

    def spec(self, spec: ElementSpec) -> ElementSpec:
        """The spec of what it makes of rows of this spec. Raises InvalidInput for rows that it cannot take."""
        ...

    def apply(self, batch: Batch, occasion: Occasion) -> Batch:
        """What it makes of these rows. Raises InvalidInput, naming the row, for one of which nothing can be made."""
        ...


class Rooms(Protocol):
    """Where payloads belong. It may be asked from a thread of its own; each room is sent in a frame, or dropped."""

    def room(self, layout: Layout, batches: int) -> Room | None:
        """Room for a payload with so many batches; None where there is none now, or where it would not help."""
        ...

    def drop(self, room: Room) -> None:
        """A room is not needed after all."""
        ...
