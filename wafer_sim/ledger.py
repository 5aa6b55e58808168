"""The ledger: what was consumed of every stream, in committed steps."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from wire.cursor import Cursor


@dataclass(frozen=True, slots=True)
class StreamPosition:
    """How far a stream is consumed, in committed steps.

    cursor: of the next batch that a step takes. samples, batches: taken since step 0.
    """

    cursor: Cursor
    samples: int = 0
    batches: int = 0


@dataclass(frozen=True, slots=True)
class Taken:
    """One batch that a step used: where it was, where its stream goes on, how many samples it had."""

    cursor: Cursor
    following: Cursor
    rows: int


class Ledger:
    """Positions that move only with a committed step. Raises ValueError for a batch that is not the next one."""

    def __init__(self, start: Iterable[StreamPosition]) -> None:
        self._positions = {position.cursor.stream: position for position in start}

    @classmethod
    def fresh(cls, streams: int) -> Ledger:
        return cls(StreamPosition(Cursor(stream)) for stream in range(streams))

    def commit(self, step: Iterable[Taken]) -> None:
        """The step that took these batches is committed."""
        for taken in step:
            position = self._positions[taken.cursor.stream]
            if taken.cursor != position.cursor:
                raise ValueError(f"{taken.cursor} was used where {position.cursor} is due")
            self._positions[taken.cursor.stream] = StreamPosition(
                taken.following, position.samples + taken.rows, position.batches + 1
            )

    @property
    def positions(self) -> Mapping[int, StreamPosition]:
        """Stream -> its position."""
        return dict(self._positions)

    @property
    def samples(self) -> int:
        """Samples consumed over all streams since step 0."""
        return sum(position.samples for position in self._positions.values())
