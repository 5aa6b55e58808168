"""Batch: rows gathered into a replica's batch, or a loader's batch cut into the replicas' parts."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

import numpy as np

from streamer.columns import slice_batch
from streamer.order import Order, Rows
from streamer.plan import StreamPlan
from streamer.randomness import Randomness
from streamer.sources import IndexedSource
from streamer.stages.repeat import Place, RepeatIndexed
from streamer.stages.shard import ShardSequential
from streamer.turns import Turns
from wire.codec import Frame
from wire.cursor import Cursor
from wire.elements import Batch, rows_of
from wire.errors import Fault, InvalidInput

_AHEAD_ROWS = 1 << 14


class Gather:
    """A Stage[Frame]: the batches of one stream of an indexed source.

    The order is asked for many batches at once, because a few positions cost as much as some thousands.
    """

    def __init__(self, plan: StreamPlan, order: Order, source: IndexedSource, seed: int, cursor: Cursor) -> None:
        self._places = RepeatIndexed(plan, cursor)
        self._order, self._source, self._seed = order, source, seed
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
            batch = self._read(place, rows)
        except Fault as fault:
            fault.where = "; ".join(filter(None, (fault.where, str(place.cursor))))
            raise
        self._ahead.popleft()
        return Frame(place.cursor, place.following, batch)

    def close(self) -> None:
        """Nothing is held."""

    def _read(self, place: Place, rows: Rows) -> Batch:
        if not self._source.random:
            return self._source.gather(rows)
        with Randomness(self._seed, place.slice.epoch, place.slice.start).held():
            return self._source.gather(rows)

    def _look_ahead(self) -> None:
        places = list(filter(None, (self._places.next() for _ in range(self._ahead_places))))
        for epoch in dict.fromkeys(place.slice.epoch for place in places):
            mine = [place for place in places if place.slice.epoch == epoch]
            spans = [np.arange(place.slice.start, place.slice.stop, dtype=np.int64) for place in mine]
            rows = self._order.at(epoch, np.concatenate(spans))
            ends = np.cumsum([len(span) for span in spans])[:-1]
            self._ahead.extend(zip(mine, np.split(rows, ends), strict=True))


class Cut:
    """A Stage[Frame]: of each batch of a sequential source the part that is this stream's replica's."""

    def __init__(self, upstream: ShardSequential, turns: Turns) -> None:
        self._upstream, self._turns = upstream, turns

    @property
    def position(self) -> Cursor:
        return self._upstream.position

    def reset(self, cursor: Cursor) -> None:
        self._upstream.reset(cursor)

    def next(self) -> Frame | None:
        turn = self._upstream.next()
        if turn is None:
            return None
        part = rows_of(turn.batch) // self._turns.replicas
        start = self._turns.replica * part
        batch = turn.batch if self._turns.replicas == 1 else slice_batch(turn.batch, start, start + part)
        return Frame(turn.cursor, turn.following, batch)

    def close(self) -> None:
        self._upstream.close()


def full_batches(batches: Iterator[Batch], batch_size: int, drop_remainder: bool) -> Iterator[Batch]:
    """The batches of `batch_size` samples; a last one with fewer is dropped, or passed on without `drop_remainder`.

    Raises InvalidInput for a batch with more samples, and for one with fewer that is not the last.
    """
    short: Batch | None = None
    for number, batch in enumerate(batches):
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
