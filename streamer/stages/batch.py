"""Batch: rows gathered into a replica's batch, or taken as a loader's turns give them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from streamer.columns import frame_bytes
from streamer.digests import rows_digest, values_digest
from streamer.order import Order, Rows
from streamer.plan import StreamPlan, Stretch
from streamer.sources import Out
from streamer.stages import Rooms
from streamer.stages.reading import Read, RowReader
from streamer.stages.repeat import RepeatIndexed
from streamer.stages.shard import ShardSequential
from wire.codec import Frame
from wire.cursor import Cursor
from wire.elements import Batch, ElementSpec, rows_of
from wire.errors import Fault, InvalidInput
from wire.payload import layout_of
from wire.room import Room

_AHEAD_ROWS = 1 << 14
_LARGEST_BYTES = 4 * 2**20
_QUICK_S, _SLOW_S = 2e-3, 10e-3


class Together:
    """How many batches are gathered at once: more while that is quick and they are small. Pure arithmetic.

    What one batch costs beyond its bytes is then shared by many, and no batch waits long for those behind it.
    """

    def __init__(self, most: int) -> None:
        self._most = max(1, most)
        self.batches = 1

    def took(self, seconds: float, nbytes: int) -> None:
        """So many batches as of now took so long, and have so many bytes."""
        if seconds > _SLOW_S:
            self.batches = max(1, self.batches // 2)
        elif seconds < _QUICK_S:
            fitting = _LARGEST_BYTES * self.batches // max(1, nbytes)
            self.batches = max(1, min(self._most, 2 * self.batches, fitting))

    def failed(self) -> None:
        """One of them cannot be read: it will be found alone."""
        self.batches = 1


@dataclass(frozen=True, slots=True)
class Making:
    """How batches of a spec are made: up to `most` of them at once, and their payloads in these rooms, if any."""

    most: int = 1
    rooms: Rooms | None = None
    spec: ElementSpec | None = None

    @contextmanager
    def room(self, rows: int, batches: int) -> Iterator[Room | None]:
        """Room for so many samples, if there is any; dropped where they cannot be read."""
        layout = layout_of(self.spec, rows) if self.spec is not None else None
        room = self.rooms.room(layout, batches) if self.rooms is not None and layout is not None else None
        try:
            yield room
        except BaseException:
            if self.rooms is not None and room is not None:
                self.rooms.drop(room)
            raise


_ALONE = Making()


class Gather:
    """A Stage[Frame]: the batches of one stream of an indexed source, some of them in a frame.

    The order is asked for many batches at once, because a few positions cost as much as some thousands.
    """

    def __init__(
        self, plan: StreamPlan, order: Order, reader: RowReader, cursor: Cursor, making: Making = _ALONE
    ) -> None:
        self._stretches = RepeatIndexed(plan, cursor, max(1, _AHEAD_ROWS // plan.replica_batch))
        self._order, self._reader = order, reader
        self._ahead: Stretch | None = None
        self._rows: Rows = np.empty((0, 0), np.int64)
        self._given = 0
        self._together = Together(1 if reader.random else making.most)
        self._making = making

    @property
    def position(self) -> Cursor:
        return self._stretches.position if self._ahead is None else self._ahead.cursor_of(self._given)

    def reset(self, cursor: Cursor) -> None:
        self._ahead = None
        self._stretches.reset(cursor)

    def next(self) -> Frame | None:
        """Raises InvalidInput where the source does, with the cursor."""
        if self._ahead is None or self._given == len(self._ahead):
            self._look_ahead()
        if self._ahead is None:
            return None
        begun = time.perf_counter()
        frame = self._some(self._ahead) or self._one(self._ahead)
        self._given += frame.batches
        self._together.took(time.perf_counter() - begun, frame_bytes(frame))
        return frame

    def interrupt(self) -> None:
        """A batch is read at once, there is nothing to walk."""

    def close(self) -> None:
        """Nothing is held."""

    def _some(self, ahead: Stretch) -> Frame | None:
        """The next batches in one frame; None for a single one, and where not all of them can be read."""
        stop = min(len(ahead), self._given + self._together.batches)
        if stop - self._given < 2:
            return None
        rows = self._rows[self._given : stop]
        try:
            with self._making.room(rows.size, len(rows)) as room:
                batch = self._reader.gather(ahead.cursor.epoch, rows.reshape(-1), columns_of(room))
        except Fault:
            self._together.failed()
            return None
        digests = tuple(map(rows_digest, rows))
        return self._frame(ahead, digests, Read(batch, rows.reshape(-1)), room)

    def _one(self, ahead: Stretch) -> Frame:
        start = int(ahead.starts[self._given])
        rows = self._rows[self._given]
        try:
            with self._making.room(len(rows), 1) as room:
                read = self._reader.read(ahead.cursor.epoch, start, rows, columns_of(room))
        except Fault as fault:
            fault.where = "; ".join(filter(None, (fault.where, str(ahead.cursor_of(self._given)))))
            raise
        digest = values_digest(read.batch) if self._reader.random else rows_digest(read.rows)
        return self._frame(ahead, (digest,), read, room)

    def _frame(self, ahead: Stretch, digests: tuple[int, ...], read: Read, room: Room | None) -> Frame:
        first, following = ahead.cursor_of(self._given), ahead.cursor_of(self._given + len(digests))
        return Frame(first, following, read.batch, False, digests, read.rows, read.bad, room=room)

    def _look_ahead(self) -> None:
        self._ahead, self._given = self._stretches.next(), 0
        if self._ahead is not None:
            rows = self._order.at(self._ahead.cursor.epoch, self._ahead.positions)
            self._rows = rows.reshape(len(self._ahead), self._ahead.rows)


def columns_of(room: Room | None) -> Out | None:
    """Where the columns of a batch that has this room belong."""
    return None if room is None else room.columns


class Cut:
    """A Stage[Frame]: the turns of a sequential source, with what their batches are."""

    def __init__(self, upstream: ShardSequential) -> None:
        self._upstream = upstream

    @property
    def position(self) -> Cursor:
        return self._upstream.position

    def reset(self, cursor: Cursor) -> None:
        self._upstream.reset(cursor)

    def next(self) -> Frame | None:
        turn = self._upstream.next()
        if turn is None:
            return None
        digest = values_digest(turn.batch)
        return Frame(turn.cursor, turn.following, turn.batch, digests=(digest,), loader_state=turn.mark)

    def interrupt(self) -> None:
        self._upstream.interrupt()

    def close(self) -> None:
        self._upstream.close()


def full_batches(batches: Iterator[Batch], batch_size: int, drop_remainder: bool, first: int = 0) -> Iterator[Batch]:
    """The batches of `batch_size` samples; a last one with fewer is dropped, or passed on without `drop_remainder`.

    first: the number of the first one in its epoch.
    Raises InvalidInput for a batch with more samples, and for one with fewer that is not the last.
    """
    short: Batch | None = None
    for number, batch in enumerate(batches, first):
        rows = rows_of(batch)
        if rows > batch_size or short is not None:
            odd, at = (rows, number) if short is None else (rows_of(short), number - 1)
            raise InvalidInput(
                f"batch {at} has {odd:,} samples; this run has batches of {batch_size:,}",
                fix="give every batch but the last the batch_size of the params",
            )
        if rows == batch_size:
            yield batch
        else:
            short = batch
    if short is not None and not drop_remainder:
        yield short
