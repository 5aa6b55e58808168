"""The ledger: what was consumed of every stream, in committed steps."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from wafer_sim.accounts import Accounts, Entry
from wire.codec import BadSample
from wire.cursor import Cursor
from wire.history import BEGINNING, history_after


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


@dataclass(frozen=True, slots=True)
class Taken:
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

    accounts: of what was taken up to `start`; they are moved on in place. Where there are none, or where they were
    begun after `start` (they have no epoch, but batches were taken), the accounts say since when they are kept.
    """

    def __init__(self, start: Iterable[StreamPosition], accounts: Accounts | None = None) -> None:
        self._positions = {position.cursor.stream: position for position in start}
        self._accounts = Accounts() if accounts is None else accounts
        self._batches = sum(position.batches for position in self._positions.values())
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

        Raises ValueError for a batch that is not the next one of its stream or has rows that its source has not;
        then nothing has changed.
        """
        batches = tuple(step)
        moved: dict[int, StreamPosition] = {}
        entries = []
        for taken in batches:
            stream = taken.cursor.stream
            position = moved.get(stream) or self._positions.get(stream)
            if position is None or taken.cursor != position.cursor:
                due = f"{position.cursor} is due" if position else "there is no such stream"
                raise ValueError(f"{taken.cursor} was used where {due}")
            moved[stream] = _moved(position, taken)
            entries.append(self._accounts.entry(taken.cursor, taken.rows, taken.row_numbers, taken.bad))
        self._positions.update(moved)
        self._account(batches, entries, skipped)

    @property
    def positions(self) -> Mapping[int, StreamPosition]:
        """Stream -> its position."""
        return dict(self._positions)

    @property
    def samples(self) -> int:
        """Samples consumed over all streams since step 0, skipped ones among them."""
        return sum(position.samples for position in self._positions.values())

    @property
    def accounts(self) -> Accounts:
        """What was consumed by epoch: the ledger's own, which moves on with it."""
        return self._accounts

    def _account(self, batches: Sequence[Taken], entries: Sequence[Entry], skipped: bool) -> None:
        """Book what was checked: from here on nothing can fail."""
        for entry in entries:
            self._accounts.book(entry, skipped)
        if skipped and batches:
            self._accounts.skip(self._batches // len(batches) + 1, sum(taken.rows for taken in batches))
        self._batches += len(batches)
        if any(taken.following.epoch != taken.cursor.epoch for taken in batches):
            self._close()

    def _close(self) -> None:
        if self._positions:
            self._accounts.close_below(min(position.cursor.epoch for position in self._positions.values()))


def _moved(position: StreamPosition, taken: Taken) -> StreamPosition:
    """Where the stream is once this batch was taken."""
    following, same_epoch = taken.following, taken.following.epoch == taken.cursor.epoch
    state = position.loader_state if same_epoch else None
    return StreamPosition(
        following,
        position.samples + taken.rows,
        position.batches + 1,
        history_after(position.digest, taken.cursor, taken.digest),
        history_after(position.history, taken.cursor, taken.digest) if same_epoch else BEGINNING,
        LoaderState(following, taken.loader_state) if taken.loader_state else state,
    )
