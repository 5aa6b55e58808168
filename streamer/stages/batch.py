"""Batch: rows gathered into a replica's batch, or taken as a loader's turns give them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

import numpy as np

from streamer.digests import rows_digest, values_digest
from streamer.order import Order, Rows
from streamer.plan import StreamPlan
from streamer.stages.reading import RowReader
from streamer.stages.repeat import Place, RepeatIndexed
from streamer.stages.shard import ShardSequential
from wire.codec import Frame
from wire.cursor import Cursor
from wire.elements import Batch, rows_of
from wire.errors import Fault, InvalidInput

_AHEAD_ROWS = 1 << 14


class Gather:
    """A Stage[Frame]: the batches of one stream of an indexed source.

    The order is asked for many batches at once, because a few positions cost as much as some thousands.
    """

    def __init__(self, plan: StreamPlan, order: Order, reader: RowReader, cursor: Cursor) -> None:
        self._places = RepeatIndexed(plan, cursor)
        self._order, self._reader = order, reader
        self._ahead: deque[tuple[Place, Rows]] = deque()
        self._ahead_places = max(1, _AHEAD_ROWS // plan.replica_batch)

    @property
    def position(self) -> Cursor:
        return self._ahead[0][0].cursor if self._ahead else self._places.position

    def reset(self, cursor: Cursor) -> None:
        self._ahead.clear()
        self._places.reset(cursor)

    def next(self) -> Frame | None:
        """Raises InvalidInput where the source does, with the cursor."""
        if not self._ahead:
            self._look_ahead()
        if not self._ahead:
            return None
        place, rows = self._ahead[0]
        try:
            batch, rows, bad = self._reader.read(place.slice, rows)
        except Fault as fault:
            fault.where = "; ".join(filter(None, (fault.where, str(place.cursor))))
            raise
        self._ahead.popleft()
        digest = values_digest(batch) if self._reader.random else rows_digest(rows)
        return Frame(place.cursor, place.following, batch, digest=digest, row_numbers=rows, bad=bad)

    def interrupt(self) -> None:
        """A batch is read at once, there is nothing to walk."""

    def close(self) -> None:
        """Nothing is held."""

    def _look_ahead(self) -> None:
        places = list(filter(None, (self._places.next() for _ in range(self._ahead_places))))
        for epoch in dict.fromkeys(place.slice.epoch for place in places):
            mine = [place for place in places if place.slice.epoch == epoch]
            spans = [np.arange(place.slice.start, place.slice.stop, dtype=np.int64) for place in mine]
            rows = self._order.at(epoch, np.concatenate(spans))
            ends = np.cumsum([len(span) for span in spans])[:-1]
            self._ahead.extend(zip(mine, np.split(rows, ends), strict=True))


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
        return Frame(turn.cursor, turn.following, turn.batch, digest=digest, loader_state=turn.mark)

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
