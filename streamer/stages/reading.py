"""Reading rows: what user code draws is a function of the place, and bad samples may be passed over."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import NamedTuple

import numpy as np

from streamer.columns import join
from streamer.order import Rows
from streamer.randomness import Randomness
from streamer.sources import GathersInto, IndexedSource, Out
from streamer.stages import Occasion, RowMap
from wire.codec import BadSample
from wire.elements import Batch
from wire.errors import Fault

_LONGEST_WHY = 300
_CANNOT = "bad samples of a loader that is walked cannot be passed over: mend the data, or let it be read by row"


class Read(NamedTuple):
    """A batch; rows, (n,) int64, are those in it; bad are those in whose place others stand."""

    batch: Batch
    rows: Rows
    bad: tuple[BadSample, ...] = ()


class RowReader:
    """Reads the rows of a source, and applies the maps to them.

    pass_bad: rows that cannot be read, or of which a map can make nothing, are passed over; else the first one raises.
    """

    def __init__(
        self, source: IndexedSource, seed: int, *, pass_bad: bool = False, maps: Sequence[RowMap] = ()
    ) -> None:
        self.random = source.random
        self._source, self._seed, self._pass_bad, self._maps = source, seed, pass_bad, maps
        self._into = source if isinstance(source, GathersInto) and not maps else None

    def read(self, epoch: int, start: int, rows: Rows, out: Out | None = None) -> Read:
        """These rows, (n,) int64, of a batch that starts at this place in the epoch. out: as of `gather`.

        Raises what the source and the maps do.
        """
        try:
            return self._together(epoch, start, rows, out)
        except Fault as fault:
            if not self._pass_bad:
                raise
            with self._seeded(epoch, start):
                around = _read_around(lambda some: self.gather(epoch, some), self._source, rows, fault)
        # where each row can be read, what failed belonged to no row: let it fail again, or not
        return around if around.bad else self._together(epoch, start, rows)

    def gather(self, epoch: int, rows: Rows, out: Out | None = None) -> Batch:
        """These rows of an epoch, of any batches; see `read` for a random source. Raises what source and maps do.

        out: arrays to which columns may be written, where the source can do that.
        """
        if out is not None and self._into is not None:
            return self._into.gather_into(rows, out)
        batch = self._source.gather(rows)
        occasion = Occasion(self._seed, epoch, rows, self._source.where)
        for each in self._maps:
            batch = each.apply(batch, occasion)
        return batch

    def _together(self, epoch: int, start: int, rows: Rows, out: Out | None = None) -> Read:
        with self._seeded(epoch, start):
            return Read(self.gather(epoch, rows, out), rows)

    def _seeded(self, epoch: int, start: int) -> AbstractContextManager[None]:
        return Randomness(self._seed, epoch, start).held() if self.random else nullcontext()


def _read_around(make: Callable[[Rows], Batch], source: IndexedSource, rows: Rows, fault: Fault) -> Read:
    """Make rows one by one; for each bad one the nearest good one before it stands in, else the nearest after it.

    fault: what reading them together raised; raised again where there is no good one.
    """
    alone = _one_by_one(make, source, rows)
    good = [place for place, read in enumerate(alone) if not isinstance(read, Fault)]
    if not good:
        raise fault
    before = np.searchsorted(good, np.arange(len(rows)), side="right") - 1
    chosen = np.array(good)[np.maximum(before, 0)]
    parts = [read for place in chosen if not isinstance(read := alone[place], Fault)]
    batch = {name: join([part[name] for part in parts]) for name in parts[0]}
    bad = tuple(_bad(source, place, int(rows[place]), r) for place, r in enumerate(alone) if isinstance(r, Fault))
    return Read(batch, rows[chosen], bad)


def cannot_pass(batches: Iterator[Batch]) -> Iterator[Batch]:
    """The batches of a walk; what it raises says that bad samples cannot be passed over here."""
    try:
        yield from batches
    except Fault as fault:
        fault.fix = "; ".join(filter(None, (fault.fix, _CANNOT)))
        raise


def _one_by_one(make: Callable[[Rows], Batch], source: IndexedSource, rows: Rows) -> list[Batch | Fault]:
    """Each row's batch of one, or why there is none.

    What user code draws must come in the batch's order; files are read from front to back.
    """
    order = np.arange(len(rows)) if source.random else np.argsort(rows, kind="stable")
    alone: dict[int, Batch | Fault] = {}
    for place in order.tolist():
        try:
            alone[place] = make(rows[place : place + 1])
        except Fault as fault:
            alone[place] = fault
    return [alone[place] for place in range(len(rows))]


def _bad(source: IndexedSource, place: int, row: int, fault: Fault) -> BadSample:
    why = (fault.what.strip() or type(fault).__name__).splitlines()[0]
    return BadSample(place, row, source.where(row), why[:_LONGEST_WHY])
