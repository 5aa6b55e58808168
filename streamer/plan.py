"""The plan of an indexed run: which rows of an epoch's order each batch of each stream takes. Pure arithmetic."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from streamer.order import Rows
from streamer.turns import Turns
from wire.cursor import Cursor
from wire.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class Slice:
    """The positions start .. stop - 1 of an epoch's order: one replica's batch. step: the global step it is for."""

    epoch: int
    start: int
    stop: int
    step: int


@dataclass(frozen=True, slots=True)
class Stretch:
    """Batches of a stream that follow one another in an epoch and have `rows` samples each.

    cursor: of the first. following: where the stream goes on after the last. starts: (batches,) int64, the position
    in the epoch's order at which each batch starts.
    """

    cursor: Cursor
    following: Cursor
    starts: Rows
    rows: int

    def __len__(self) -> int:
        return len(self.starts)

    @property
    def positions(self) -> Rows:
        """Of all samples in the epoch's order, (batches * rows,) int64."""
        return (self.starts[:, None] + np.arange(self.rows)).reshape(-1)

    def cursor_of(self, number: int) -> Cursor:
        """Of batch `number`; len(self) gives where the stream goes on."""
        return self.cursor.further(number) if number < len(self) else self.following


@dataclass(frozen=True, slots=True)
class StreamPlan:
    """How rows become batches, and batches streams.

    rows: in the source. batch_size: of a global step; a replica's batch is batch_size // replicas.
    epochs: None repeats for ever. Step s of an epoch gives replica r the positions s * batch_size + r * b and on.
    Raises InvalidInput for numbers that do not fit together.
    """

    rows: int
    batch_size: int
    replicas: int
    streams: int
    drop_remainder: bool = True
    epochs: int | None = None

    def __post_init__(self) -> None:
        check_batch(self.batch_size, self.replicas, self.drop_remainder)
        Turns(0, self.streams, self.replicas)
        if self.epochs is not None and self.epochs < 1:
            raise InvalidInput(f"epochs must be 1 or more, got {self.epochs}")
        if self.steps_per_epoch == 0:
            raise InvalidInput(
                f"{self.rows:,} rows make no batch of {self.batch_size:,}",
                fix="take a smaller batch_size, more data, or drop_last_batch: False",
            )

    @property
    def replica_batch(self) -> int:
        return self.batch_size // self.replicas

    @property
    def steps_per_epoch(self) -> int:
        full, left = divmod(self.rows, self.batch_size)
        return full + (left > 0 and not self.drop_remainder)

    @property
    def total_steps(self) -> int | None:
        """Global steps in the whole run; None for a run that repeats for ever."""
        return None if self.epochs is None else self.epochs * self.steps_per_epoch

    def turns(self, stream: int) -> Turns:
        return Turns(stream, self.streams, self.replicas)

    def first(self, stream: int) -> Cursor:
        """The cursor of the stream's first batch."""
        return self.cursor_from(stream, 0)

    def cursor_from(self, stream: int, step: int) -> Cursor:
        """The cursor of the stream's first batch that is not for a global step before this one."""
        turns = self.turns(stream)
        epoch, inside = divmod(turns.next_step(step), self.steps_per_epoch)
        return Cursor(stream, epoch, (inside - self._first_inside(turns, epoch)) // turns.turns)

    def step_of(self, cursor: Cursor) -> int:
        """The global step of the batch at a cursor. Raises InvalidInput for a batch that its epoch has not."""
        turns = self.turns(cursor.stream)
        inside = self._first_inside(turns, cursor.epoch) + cursor.sequence * turns.turns
        if inside >= self.steps_per_epoch:
            raise InvalidInput(
                f"there is no {cursor}",
                where=f"{self.streams} streams over {self.steps_per_epoch:,} steps an epoch",
                fix="resume with the data, batch_size and number of streams of the run that this cursor is from",
            )
        return cursor.epoch * self.steps_per_epoch + inside

    def locate(self, cursor: Cursor) -> Slice | None:
        """What the batch at a cursor takes; None past the end of the run. Raises InvalidInput as `step_of`."""
        if self.epochs is not None and cursor.epoch >= self.epochs:
            return None
        step = self.step_of(cursor)
        inside = step - cursor.epoch * self.steps_per_epoch
        start = inside * self.batch_size + self.turns(cursor.stream).replica * self.replica_batch
        return Slice(cursor.epoch, start, min(start + self.replica_batch, self.rows), step)

    def stretch(self, cursor: Cursor, most: int) -> Stretch | None:
        """What the batches from a cursor on take, `most` of them or up to the epoch's end; a short one comes alone.

        None past the end of the run. Raises InvalidInput as `step_of`.
        """
        first = self.locate(cursor)
        if first is None:
            return None
        turns = self.turns(cursor.stream)
        rows, left = first.stop - first.start, (cursor.epoch + 1) * self.steps_per_epoch - first.step
        alike = -(-(left - (self.rows % self.batch_size > 0 and not self.drop_remainder)) // turns.turns)
        count = max(1, min(most, alike))
        starts = first.start + np.arange(count, dtype=np.int64) * (turns.turns * self.batch_size)
        following = self.cursor_from(cursor.stream, first.step + (count - 1) * turns.turns + 1)
        return Stretch(cursor, following, starts, rows)

    def following(self, cursor: Cursor) -> Cursor:
        """The cursor of the stream's next batch; past the end of a run, where that batch would have been."""
        return self.cursor_from(cursor.stream, self.step_of(cursor) + 1)

    def _first_inside(self, turns: Turns, epoch: int) -> int:
        """The first step inside an epoch that is the stream's; it may lie behind the epoch's end."""
        return turns.next_step(epoch * self.steps_per_epoch) - epoch * self.steps_per_epoch


def check_batch(batch_size: int, replicas: int, drop_remainder: bool) -> None:
    """Raises InvalidInput for a global batch that cannot be divided among the replicas."""
    if min(batch_size, replicas) < 1:
        raise InvalidInput(f"batch_size and replicas must be 1 or more, got {batch_size} and {replicas}")
    if batch_size % replicas:
        raise InvalidInput(
            f"a batch_size of {batch_size} cannot be divided among {replicas} replicas",
            fix=f"take a batch_size that is a multiple of {replicas}; batch_size counts the samples of all replicas",
        )
    if replicas > 1 and not drop_remainder:
        raise InvalidInput(
            f"{replicas} replicas cannot share a last batch that is not full",
            fix="set drop_last_batch: True, or run one replica",
        )
