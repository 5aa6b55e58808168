"""Accounts: what was consumed, by epoch.

They know nothing of a plan: all is counted from the batches of committed steps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from wire.codec import BadSample
from wire.cursor import Cursor

LARGEST_ROWS = 2**28
"""A source of more rows is not accounted by row: its bitmaps would take more than 32 MiB each."""
LISTED_BAD = 1_000
_LONGEST_TEXT = 1_000
_BITS = (1 << np.arange(8)).astype(np.uint8)

Rows = npt.NDArray[np.int64]
Bitmap = npt.NDArray[np.uint8]


@dataclass(slots=True)
class EpochAccount:
    """What came of one epoch.

    samples, batches: all that came; samples = taken + twice + bad + skipped. taken: rows consumed, each counted once.
    twice: how often a row came that had come before. bad: rows that could not be read. skipped, skipped_batches: of
    steps that were passed over. unnumbered: samples without a row number, although the source has numbers.
    """

    samples: int = 0
    batches: int = 0
    taken: int = 0
    twice: int = 0
    bad: int = 0
    skipped: int = 0
    skipped_batches: int = 0
    unnumbered: int = 0


@dataclass(frozen=True, slots=True)
class BadRecord:
    """A sample that could not be read: the batch it belongs to, its row in the source, file and row in words, why."""

    cursor: Cursor
    row: int
    where: str
    why: str


@dataclass(frozen=True, slots=True)
class SkippedRange:
    """Steps first .. last of the input (the first one is 1) that were passed over, and their samples."""

    first: int
    last: int
    samples: int


@dataclass(frozen=True, slots=True)
class Entry:
    """One batch as it will be booked, checked. numbers: its readable rows, sorted; bad_rows: the others, sorted."""

    epoch: int
    rows: int
    numbers: Rows | None
    bad_rows: Rows | None
    bad: tuple[BadRecord, ...]


@dataclass(slots=True)
class Accounts:
    """What was consumed of every epoch. One bitmap for each epoch that is not closed: two in a run's usual course.

    rows: of an indexed source; 0 for a sequential one. before: samples taken before these accounts were begun.
    whole_from: the first epoch of which they saw everything. closed_below: no stream can give batches of an epoch
    before this one. epochs: epoch -> what came of it. bad: the first 1,000 bad samples; bad_count: how many there were.
    """

    rows: int = 0
    before: int = 0
    whole_from: int = 0
    closed_below: int = 0
    epochs: dict[int, EpochAccount] = field(default_factory=dict)
    bitmaps: dict[int, Bitmap] = field(default_factory=dict)
    bad: list[BadRecord] = field(default_factory=list)
    bad_count: int = 0
    skipped: list[SkippedRange] = field(default_factory=list)

    @property
    def by_row(self) -> bool:
        """Whether each row is accounted for."""
        return 0 < self.rows <= LARGEST_ROWS

    @property
    def samples(self) -> int:
        """Samples that came since these accounts were begun."""
        return sum(account.samples for account in self.epochs.values())

    @property
    def absent(self) -> int:
        """Closed epochs of which nothing came at all."""
        seen = sum(self.whole_from <= epoch < self.closed_below for epoch in self.epochs)
        return max(0, self.closed_below - self.whole_from) - seen

    def missing(self, epoch: int) -> int:
        """Rows of an epoch that were neither consumed nor bad nor skipped (yet, while it is not closed)."""
        account = self.epochs.get(epoch, EpochAccount())
        return self.rows - account.taken - account.bad - account.skipped

    def entry(self, cursor: Cursor, rows: int, numbers: Rows | None = None, bad: Sequence[BadSample] = ()) -> Entry:
        """A batch, checked; nothing is booked yet. Raises ValueError for rows that its source has not."""
        records = tuple(_record(cursor, sample) for sample in bad)
        if not self.by_row or numbers is None:
            return Entry(cursor.epoch, rows, None, None, records)
        if len(numbers) != rows or any(sample.place >= rows for sample in bad):
            raise ValueError(f"{cursor} has {rows} samples, {len(numbers)} row numbers and {len(bad)} bad samples")
        bad_rows = None
        if bad:
            numbers = np.delete(numbers, [sample.place for sample in bad])
            bad_rows = self._sorted(cursor, np.array([sample.row for sample in bad], np.int64))
        return Entry(cursor.epoch, rows, self._sorted(cursor, numbers), bad_rows, records)

    def book(self, entry: Entry, skipped: bool = False) -> None:
        """The batch is part of a committed step. skipped: of one that was not trained on."""
        account = self.epochs.get(entry.epoch)
        if account is None:
            account = self.epochs[entry.epoch] = EpochAccount()
        account.samples += entry.rows
        account.batches += 1
        account.skipped_batches += skipped
        good = entry.rows - len(entry.bad)
        fresh, fresh_bad = good, len(entry.bad)
        if entry.numbers is not None:
            fresh = self._mark(entry.epoch, entry.numbers)
            fresh_bad = 0 if entry.bad_rows is None else self._mark(entry.epoch, entry.bad_rows)
        elif self.by_row:
            account.unnumbered += entry.rows
        account.twice += entry.rows - fresh - fresh_bad
        if skipped:
            account.skipped += fresh + fresh_bad
        else:
            account.taken += fresh
            account.bad += fresh_bad
        if entry.bad:
            self.bad_count += len(entry.bad)
            self.bad.extend(entry.bad[: max(0, LISTED_BAD - len(self.bad))])

    def skip(self, step: int, samples: int) -> None:
        """Step `step` of the input, the first being 1, was passed over."""
        last = self.skipped[-1] if self.skipped else None
        if last is not None and last.last == step - 1:
            self.skipped[-1] = SkippedRange(last.first, step, last.samples + samples)
        else:
            self.skipped.append(SkippedRange(step, step, samples))

    def close_below(self, epoch: int) -> None:
        """No batch of an epoch before this one can come any more: of those, a few numbers are kept."""
        self.closed_below = max(self.closed_below, epoch)
        for done in [open_ for open_ in self.bitmaps if open_ < epoch]:
            del self.bitmaps[done]

    def _sorted(self, cursor: Cursor, numbers: Rows) -> Rows:
        ordered = np.sort(numbers)
        if len(ordered) and not 0 <= ordered[0] <= ordered[-1] < self.rows:
            raise ValueError(f"{cursor} has row {ordered[-1 if ordered[0] >= 0 else 0]}; there are {self.rows} rows")
        return ordered

    def _mark(self, epoch: int, ordered: Rows) -> int:
        """Note that these rows came; how many of them had not come before. Of a closed epoch all had."""
        if epoch < self.closed_below:
            return 0
        bitmap = self.bitmaps.get(epoch)
        if bitmap is None:
            bitmap = self.bitmaps[epoch] = np.zeros((self.rows + 7) // 8, np.uint8)
        if (ordered[1:] == ordered[:-1]).any():
            ordered = np.unique(ordered)
        places, bits = ordered >> 3, _BITS[ordered & 7]
        fresh = len(ordered) - int(np.count_nonzero(bitmap[places] & bits))
        np.bitwise_or.at(bitmap, places, bits)
        return fresh


def _record(cursor: Cursor, sample: BadSample) -> BadRecord:
    return BadRecord(cursor, sample.row, sample.where[:_LONGEST_TEXT], sample.why[:_LONGEST_TEXT])


def totals(epochs: Mapping[int, EpochAccount]) -> EpochAccount:
    """The sum of some epochs."""
    names = EpochAccount.__slots__
    return EpochAccount(*(sum(getattr(account, name) for account in epochs.values()) for name in names))
