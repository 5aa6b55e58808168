"""Repeat: epoch after epoch, over an indexed source by arithmetic, over a sequential one by walking it again."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from typing import Any

from streamer.plan import StreamPlan, Stretch
from streamer.resume import Mark
from streamer.sources import WHOLE, SequentialSource, Shard, Walk
from wire.cursor import Cursor
from wire.elements import Batch
from wire.errors import InvalidInput
from wire.seam import SeamClosed

log = logging.getLogger(__name__)


class RepeatIndexed:
    """The batches of one stream, epoch after epoch, up to `most` at once. A Stage[Stretch]."""

    def __init__(self, plan: StreamPlan, cursor: Cursor, most: int = 1) -> None:
        self._plan, self._most = plan, most
        self.reset(cursor)

    @property
    def position(self) -> Cursor:
        return self._cursor

    def reset(self, cursor: Cursor) -> None:
        """Raises InvalidInput for a cursor that the plan does not have."""
        self._plan.locate(cursor)
        self._cursor = cursor

    def next(self) -> Stretch | None:
        found = self._plan.stretch(self._cursor, self._most)
        if found is not None:
            self._cursor = found.following
        return found


@dataclass(frozen=True, slots=True)
class Step:
    """One batch of a sequential source, and its number over the whole run. first: that of the epoch's first batch."""

    epoch: int
    first: int
    number: int
    batch: Batch


class RepeatSequential:
    """The batches of a sequential source, epoch after epoch, numbered over the whole run.

    full: what is made of the batches of a walk; its second argument is the number of the first one in its epoch.
    epochs: None repeats for ever. shard: what is walked of the source.
    """

    def __init__(
        self,
        source: SequentialSource,
        seed: int,
        full: Callable[[Iterator[Batch], int], Iterator[Batch]],
        epochs: int | None,
        shard: Shard = WHOLE,
    ) -> None:
        self.source = source
        self._shard = shard
        self._seed, self._full, self._epochs = seed, full, epochs
        self._interrupted = False
        self._lengths: dict[int, int] = {}
        self._reading: Walk | None = None
        self._walk: Generator[Step, None, None] | None = None

    def start(self, epoch: int, mark: Mark | None, *, numbered: bool) -> None:
        """Go to a mark in an epoch, or to its start.

        numbered: the numbers are needed, so without a mark the epochs before that were not yet counted are walked.
        """
        self.close()
        ended = self._epochs is not None and epoch >= self._epochs
        if mark is None:
            first = sum(map(self._length, range(epoch))) if numbered and not ended else 0
            mark = Mark(first, first, 0)
        self._walk = self._steps(epoch, mark)

    def next(self) -> Step | None:
        """The next batch; None when the epochs are over. Raises InvalidInput for an epoch without batches."""
        return None if self._walk is None else next(self._walk, None)

    def state(self) -> Any:
        """Of the source, after the batch that was given last; None where it has none."""
        return self._reading.state() if self._reading is not None and self.source.resumes else None

    def interrupt(self) -> None:
        """From any thread: whoever walks here gets SeamClosed at the next batch."""
        self._interrupted = True

    def close(self) -> None:
        """Let the user's iterator go, with the processes it may have."""
        if self._walk is not None:
            self._walk.close()

    def _steps(self, epoch: int, mark: Mark) -> Generator[Step, None, None]:
        first, number, state = mark.first, mark.number, mark.loader
        while self._epochs is None or epoch < self._epochs:
            for batch in self._read(epoch, state, number - first):
                yield Step(epoch, first, number, batch)
                number += 1
            if number == first:
                raise InvalidInput(
                    f"epoch {epoch} has no batch", fix="take a smaller batch_size, more data, or drop_last_batch: False"
                )
            self._lengths[epoch] = number - first
            epoch, first, state = epoch + 1, number, None

    def _read(self, epoch: int, state: Any, begun: int) -> Iterator[Batch]:
        self._reading = self.source.batches(epoch, self._seed, state, self._shard)
        try:
            for batch in self._full(self._reading, begun):
                if self._interrupted:
                    raise SeamClosed("the walk was interrupted")
                yield batch
        finally:
            self._reading.close()

    def _length(self, epoch: int) -> int:
        if epoch not in self._lengths:
            log.info("walking epoch %d to count its batches", epoch)
            self._lengths[epoch] = sum(1 for _ in self._read(epoch, None, 0))
        return self._lengths[epoch]
