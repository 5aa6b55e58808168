"""What is known of the way to a cursor: what was taken before it, and where the walk of a user's loader was."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from streamer.loader_state import StateError, state_from_bytes, state_to_bytes
from wire.codec import cursor_from
from wire.cursor import Cursor
from wire.errors import InvalidInput
from wire.history import BEGINNING
from wire.v1 import ingest_pb2


@dataclass(frozen=True, slots=True)
class Resume:
    """What the first grant of a push says beside its cursor.

    history: wire.history's account of the epoch before that cursor; BEGINNING where it is not known, or empty.
    loader_state: a frame's loader_state, and the cursor that followed that frame.
    """

    history: bytes = BEGINNING
    loader_state: tuple[Cursor, bytes] | None = None

    @classmethod
    def of(cls, grant: ingest_pb2.Grant) -> Resume:
        state = grant.loader_state
        return cls(grant.history, (cursor_from(state.at), state.state) if state.state else None)

    def mark(self, target: Cursor) -> Mark | None:
        """Where a walk to a cursor can begin, if that is known. Raises InvalidInput for a state that is none."""
        if self.loader_state is None:
            return None
        at, state = self.loader_state
        if (at.stream, at.epoch) != (target.stream, target.epoch) or at > target:
            return None
        return Mark.from_bytes(state, at)


@dataclass(frozen=True, slots=True)
class Mark:
    """A place in the walk of an epoch, so far that it can be gone on from.

    first: the number, over the whole run, of the epoch's first batch. number: of the next batch that the loader gives.
    sequence: how many of the stream's own batches come before that. loader: of the loader and of the random
    generators after the batches before; None: the walk begins with the epoch.
    """

    first: int
    number: int
    sequence: int
    loader: Any = None

    def to_bytes(self) -> bytes:
        """As a frame carries it. Raises StateError for a loader whose state cannot travel."""
        return state_to_bytes([self.first, self.number, self.loader])

    @classmethod
    def from_bytes(cls, data: bytes, at: Cursor) -> Mark:
        """Read what `to_bytes` wrote into the frame before the cursor `at`. Raises InvalidInput."""
        try:
            first, number, loader = state_from_bytes(data)
        except (StateError, TypeError, ValueError) as error:
            raise _no_state(at, str(error)) from error
        if not (type(first) is type(number) is int and 0 <= first <= number):
            raise _no_state(at, f"its numbers are {first!r} and {number!r}")
        return cls(first, number, at.sequence, loader) if loader is not None else cls(first, first, 0)


def _no_state(at: Cursor, why: str) -> InvalidInput:
    return InvalidInput(
        f"the loader's state of {at} cannot be read: {why}", fix="resume with the version that wrote this checkpoint"
    )
