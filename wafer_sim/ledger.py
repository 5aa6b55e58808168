"""The ledger: what was consumed of every stream, in committed steps."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from wafer_sim.accounts import Accounts
from wire.codec import BadSample
from wire.cursor import Cursor
from wire.history import BEGINNING, history_after

BOOKED_AT_ONCE = 64


@dataclass(frozen=True, slots=True)
class LoaderState:
    """The state of a user's loader; the batch at `at` comes next."""

    at: Cursor
    state: bytes


@dataclass(frozen=True, slots=True)
class StreamPosition:
    """How far a stream is consumed, in committed steps.

    cursor: of the next batch that a step takes. samples, batches: taken since step 0. digest: the chain
    (wire.history) over every batch taken of the stream; b"" where nothing was, or where it is not known. history:
    the same of the current epoch only. loader_state: the newest one at or before the cursor, of the same epoch.
    """

    cursor: Cursor
    samples: int = 0
    batches: int = 0
    digest: bytes = b""
    history: bytes = BEGINNING
    loader_state: LoaderState | None = None


class Taken(NamedTuple):
    """One batch that a step used: where it was, where its stream goes on, how many samples it had.

    digest: says what the batch is, 64 bits. row_numbers: (rows,) int64, the source's numbers of the samples; None
    where it has none. bad: samples that others of the batch stood in for. loader_state: after this batch, or b"".
    """

    cursor: Cursor
    following: Cursor
    rows: int
    digest: int = 0
    row_numbers: npt.NDArray[np.int64] | None = None
    bad: tuple[BadSample, ...] = ()
    loader_state: bytes = b""


class Ledger:
    """Positions and accounts that move only with a committed step, and together.

    A commit checks its step and notes it; books are made for many steps at once, and always before anybody looks.

    accounts: of what was taken up to `start`; they are moved on in place. Where there are none, or where they were
    begun after `start` (they have no epoch, but batches were taken), the accounts say since when they are kept.
    """

    def __init__(self, start: Iterable[StreamPosition], accounts: Accounts | None = None) -> None:
        self._positions = {position.cursor.stream: position for position in start}
        self._due = {stream: position.cursor for stream, position in self._positions.items()}
        self._accounts = Accounts() if accounts is None else accounts
        self._batches = sum(position.batches for position in self._positions.values())
        self._noted: list[tuple[tuple[Taken, ...], bool]] = []
        if self._batches and not self._accounts.epochs and not self._accounts.before:
            self._accounts.before = self.samples
            self._accounts.whole_from = 1 + max(position.cursor.epoch for position in self._positions.values())
        self._close()

    @classmethod
    def fresh(cls, streams: int, rows: int = 0) -> Ledger:
        """A ledger of a run that begins. rows: of an indexed source; 0 for a sequential one."""
        return cls((StreamPosition(Cursor(stream)) for stream in range(streams)), Accounts(rows))

    def commit(self, step: Iterable[Taken], skipped: bool = False) -> None:
        """The step that took these batches is committed. skipped: it was passed over, not trained on.

        Raises ValueError for a batch that is not the next one of its stream; then nothing has changed. Rows that the
        source has not are found when books are made, at the latest before anybody sees them: ValueError then too.
        """
        batches = tuple(step)
        moved: dict[int, Cursor] = {}
        for taken in batches:
            stream = taken.cursor.stream
            due = moved.get(stream) or self._due.get(stream)
            if taken.cursor != due:
                raise ValueError(
                    f"{taken.cursor} was used where {f'{due} is due' if due else 'there is no such stream'}"
                )
            moved[stream] = taken.following
        self._due.update(moved)
        self._noted.append((batches, skipped))
        if len(self._noted) >= BOOKED_AT_ONCE:
            self._book()

    def due(self, stream: int) -> Cursor:
        """The cursor of the stream's next batch."""
        return self._due[stream]

    @property
    def positions(self) -> Mapping[int, StreamPosition]:
        """Stream -> its position."""
        self._book()
        return dict(self._positions)

    @property
    def samples(self) -> int:
        """Samples consumed over all streams since step 0, skipped ones among them."""
        self._book()
        return sum(position.samples for position in self._positions.values())

    @property
    def accounts(self) -> Accounts:
        """What was consumed by epoch: the ledger's own, which moves on with it."""
        self._book()
        return self._accounts

    def _book(self) -> None:
        """Make the books of what is noted, of all of it or, raising ValueError, of nothing."""
        noted = self._noted
        if not noted:
            return
        entries = [
            self._accounts.entry(epoch, [taken for taken, _ in alike], skipped)
            for (epoch, skipped, _), alike in groupby(_each(noted), key=_kind)
        ]
        self._noted = []
        for stream, taken_of_it in _by_stream(noted).items():
            self._positions[stream] = _moved(self._positions[stream], taken_of_it)
        for batches, skipped in noted:
            if skipped and batches:
                step = self._batches // len(batches) + 1
                self._accounts.skip(step, sum(taken.rows for taken in batches))
            self._batches += len(batches)
        for entry in entries:
            self._accounts.book(entry)
        self._close()

    def _close(self) -> None:
        if self._positions:
            self._accounts.close_below(min(position.cursor.epoch for position in self._positions.values()))


def _each(noted: Iterable[tuple[tuple[Taken, ...], bool]]) -> Iterator[tuple[Taken, bool]]:
    return ((taken, skipped) for batches, skipped in noted for taken in batches)


def _kind(of: tuple[Taken, bool]) -> tuple[int, bool, bool]:
    """Batches in a row that are alike in this are booked together."""
    taken, skipped = of
    return taken.cursor.epoch, skipped, taken.row_numbers is None


def _by_stream(noted: Iterable[tuple[tuple[Taken, ...], bool]]) -> dict[int, list[Taken]]:
    streams: dict[int, list[Taken]] = {}
    for batches, _ in noted:
        for taken in batches:
            streams.setdefault(taken.cursor.stream, []).append(taken)
    return streams


def _moved(position: StreamPosition, batches: Sequence[Taken]) -> StreamPosition:
    """Where the stream is once these batches of it were taken, one at least."""
    digest, history, state = position.digest, position.history, position.loader_state
    for taken in batches:
        same_epoch = taken.following.epoch == taken.cursor.epoch
        digest = history_after(digest, taken.cursor, taken.digest)
        history = history_after(history, taken.cursor, taken.digest) if same_epoch else BEGINNING
        if taken.loader_state:
            state = LoaderState(taken.following, taken.loader_state)
        elif not same_epoch:
            state = None
    samples = position.samples + sum(taken.rows for taken in batches)
    return StreamPosition(batches[-1].following, samples, position.batches + len(batches), digest, history, state)
