"""Accounts: what was consumed, by epoch.

They know nothing of a plan: all is counted from the batches of committed steps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt

from wafer_sim.bitmap import Bitmap, mark, unmarked
from wire.codec import BadSample
from wire.cursor import Cursor

LARGEST_ROWS = 2**28
"""A source of more rows is not accounted by row: its bitmaps would take more than 32 MiB each."""
LISTED_BAD = 1_000
_LONGEST_TEXT = 1_000

Rows = npt.NDArray[np.int64]


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


class Batch(Protocol):
    """What is accounted for: a batch with the numbers of its rows, (rows,) int64, where its source has some."""

    @property
    def cursor(self) -> Cursor: ...
    @property
    def rows(self) -> int: ...
    @property
    def row_numbers(self) -> Rows | None: ...
    @property
    def bad(self) -> tuple[BadSample, ...]: ...


@dataclass(frozen=True, slots=True)
class Entry:
    """Batches of one epoch as they will be booked, checked. good: their readable rows; bad_rows: the others."""

    epoch: int
    batches: int
    rows: int
    skipped: bool
    bad: tuple[BadRecord, ...]
    good: Rows | None = None
    bad_rows: Rows | None = None


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

    def entry(self, epoch: int, batches: Sequence[Batch], skipped: bool = False) -> Entry:
        """Batches of one epoch as they will be booked; all have row numbers, or none has. Nothing is booked yet.

        skipped: of steps that were not trained on. Raises ValueError for rows that the source has not.
        """
        bad = tuple(_record(batch.cursor, sample) for batch in batches for sample in batch.bad)
        rows = sum(batch.rows for batch in batches)
        if not self.by_row or batches[0].row_numbers is None:
            return Entry(epoch, len(batches), rows, skipped, bad)
        for batch in batches:
            self._require_fitting(batch)
        good = self._known(epoch, np.concatenate([_good(batch) for batch in batches]))
        return Entry(
            epoch,
            len(batches),
            rows,
            skipped,
            bad,
            good,
            self._known(epoch, np.array([record.row for record in bad], np.int64)),
        )

    def book(self, entry: Entry) -> None:
        """These batches are part of committed steps."""
        account = self.epochs.get(entry.epoch)
        if account is None:
            account = self.epochs[entry.epoch] = EpochAccount()
        account.samples += entry.rows
        account.batches += entry.batches
        account.skipped_batches += entry.batches * entry.skipped
        fresh, fresh_bad = entry.rows - len(entry.bad), len(entry.bad)
        if entry.good is not None and entry.bad_rows is not None:
            fresh, fresh_bad = self._mark(entry.epoch, entry.good), self._mark(entry.epoch, entry.bad_rows)
        elif self.by_row:
            account.unnumbered += entry.rows
        account.twice += entry.rows - fresh - fresh_bad
        if entry.skipped:
            account.skipped += fresh + fresh_bad
        else:
            account.taken += fresh
            account.bad += fresh_bad
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

    def _require_fitting(self, batch: Batch) -> None:
        numbers, bad = batch.row_numbers, batch.bad
        if numbers is None or len(numbers) != batch.rows or any(sample.place >= batch.rows for sample in bad):
            count = 0 if numbers is None else len(numbers)
            raise ValueError(f"{batch.cursor} has {batch.rows} samples, {count} row numbers and {len(bad)} bad samples")

    def _known(self, epoch: int, numbers: Rows) -> Rows:
        if len(numbers):
            least, most = int(numbers.min()), int(numbers.max())
            if least < 0 or most >= self.rows:
                row = most if least >= 0 else least
                raise ValueError(f"a batch of epoch {epoch} has row {row}; there are {self.rows} rows")
        return numbers

    def _mark(self, epoch: int, numbers: Rows) -> int:
        """Note that these rows came; how many of them had not come before. Of a closed epoch all had."""
        if epoch < self.closed_below or not len(numbers):
            return 0
        bitmap = self.bitmaps.get(epoch)
        if bitmap is None:
            bitmap = self.bitmaps[epoch] = unmarked(self.rows)
        return mark(bitmap, numbers)


def _good(batch: Batch) -> Rows:
    """The rows that were read; where another sample stood in, its number stands in too and does not count."""
    numbers = batch.row_numbers
    assert numbers is not None  # noqa: S101 - the caller books batches without them elsewhere
    return np.delete(numbers, [sample.place for sample in batch.bad]) if batch.bad else numbers


def _record(cursor: Cursor, sample: BadSample) -> BadRecord:
    return BadRecord(cursor, sample.row, sample.where[:_LONGEST_TEXT], sample.why[:_LONGEST_TEXT])


def totals(epochs: Mapping[int, EpochAccount]) -> EpochAccount:
    """The sum of some epochs."""
    names = EpochAccount.__slots__
    return EpochAccount(*(sum(getattr(account, name) for account in epochs.values()) for name in names))
