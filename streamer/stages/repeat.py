"""Repeat: epoch after epoch, over an indexed source by arithmetic, over a sequential one by walking it again."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass

from streamer.plan import Slice, StreamPlan
from wire.cursor import Cursor
from wire.elements import Batch
from wire.errors import InvalidInput

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Place:
    """One batch that a stream has to make: where it is, where the stream goes on, and what it takes."""

    cursor: Cursor
    following: Cursor
    slice: Slice


class RepeatIndexed:
    """The places of one stream, epoch after epoch. A Stage[Place]."""

    def __init__(self, plan: StreamPlan, cursor: Cursor) -> None:
        self._plan = plan
        self.reset(cursor)

    @property
    def position(self) -> Cursor:
        return self._cursor

    def reset(self, cursor: Cursor) -> None:
        """Raises InvalidInput for a cursor that the plan does not have."""
        self._plan.locate(cursor)
        self._cursor = cursor

    def next(self) -> Place | None:
        found = self._plan.locate(self._cursor)
        if found is None:
            return None
        place = Place(self._cursor, self._plan.following(self._cursor), found)
        self._cursor = place.following
        return place


@dataclass(frozen=True, slots=True)
class Step:
    """One batch of a sequential source, and its number over the whole run."""

    epoch: int
    number: int
    batch: Batch


class RepeatSequential:
    """The batches of a sequential source, epoch after epoch, numbered over the whole run.

    read: the batches of an epoch. epochs: None repeats for ever.
    """

    def __init__(self, read: Callable[[int], Iterator[Batch]], epochs: int | None) -> None:
        self._read, self._epochs = read, epochs
        self._lengths: dict[int, int] = {}
        self._walk: Generator[Step, None, None] | None = None

    def start(self, epoch: int, *, numbered: bool) -> None:
        """Go to the start of an epoch. numbered: the numbers are needed, so epochs not yet counted are walked first."""
        self.close()
        ended = self._epochs is not None and epoch >= self._epochs
        before = sum(map(self._length, range(epoch))) if numbered and not ended else 0
        self._walk = self._steps(epoch, before)

    def next(self) -> Step | None:
        """The next batch; None when the epochs are over. Raises InvalidInput for an epoch without batches."""
        return None if self._walk is None else next(self._walk, None)

    def close(self) -> None:
        """Let the user's iterator go, with the processes it may have."""
        if self._walk is not None:
            self._walk.close()

    def _steps(self, epoch: int, number: int) -> Generator[Step, None, None]:
        while self._epochs is None or epoch < self._epochs:
            first = number
            for batch in self._read(epoch):
                yield Step(epoch, number, batch)
                number += 1
            if number == first:
                raise InvalidInput(
                    f"epoch {epoch} has no batch", fix="take a smaller batch_size, more data, or drop_last_batch: False"
                )
            self._lengths[epoch] = number - first
            epoch += 1

    def _length(self, epoch: int) -> int:
        if epoch not in self._lengths:
            log.info("walking epoch %d to count its batches", epoch)
            self._lengths[epoch] = sum(1 for _ in self._read(epoch))
        return self._lengths[epoch]
