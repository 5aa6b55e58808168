"""The proof: whether what a checkpoint's ledger counted is every sample once. Pure; from what was consumed only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from wafer_sim.accounts import LARGEST_ROWS, Accounts, EpochAccount, totals
from wafer_sim.checkpoints import Checkpoint


@dataclass(frozen=True, slots=True)
class EpochProof:
    """An epoch. missing: rows that did not come although no more will; None where that is not known (yet).

    dropped: rows that drop_last_batch leaves out of a closed epoch; they are not missing.
    """

    epoch: int
    closed: bool
    came: EpochAccount
    missing: int | None
    dropped: int


@dataclass(frozen=True, slots=True)
class Proof:
    """What a checkpoint's accounts show.

    epochs: those begun, in order. absent: closed epochs of which nothing came at all. sums: over all epochs. missing:
    over the closed epochs, None where rows are not accounted for. faults: what does not hold, a sentence each.
    unknown: what cannot be known, and why.
    """

    samples: int
    epochs: tuple[EpochProof, ...]
    absent: int
    sums: EpochAccount
    missing: int | None
    dropped: int
    faults: tuple[str, ...]
    unknown: tuple[str, ...]

    @property
    def holds(self) -> bool:
        return not self.faults


def proof_of(checkpoint: Checkpoint) -> Proof:
    """Look at all that the accounts of a checkpoint say."""
    accounts = checkpoint.accounts or Accounts()
    samples = sum(position.samples for position in checkpoint.streams)
    sums = totals(accounts.epochs)
    epochs = tuple(_epoch(accounts, epoch, checkpoint.data) for epoch in sorted(accounts.epochs))
    known = checkpoint.accounts is not None and accounts.by_row and not sums.unnumbered
    whole = accounts.rows - _left_out(accounts.rows, checkpoint.data)
    missing = sum(e.missing or 0 for e in epochs) + accounts.absent * whole if known else None
    return Proof(
        samples=samples,
        epochs=epochs,
        absent=accounts.absent,
        sums=sums,
        missing=missing,
        dropped=sum(epoch.dropped for epoch in epochs),
        faults=tuple(_faults(checkpoint, samples, sums, missing)),
        unknown=tuple(_unknown(checkpoint, sums)),
    )


def _epoch(accounts: Accounts, epoch: int, data: Mapping[str, Any]) -> EpochProof:
    came, closed = accounts.epochs[epoch], epoch < accounts.closed_below
    if not closed or not accounts.by_row or came.unnumbered or epoch < accounts.whole_from:
        return EpochProof(epoch, closed, came, None, 0)
    missing = accounts.missing(epoch)
    dropped = min(missing, _left_out(accounts.rows, data))
    return EpochProof(epoch, closed, came, missing - dropped, dropped)


def _left_out(rows: int, data: Mapping[str, Any]) -> int:
    """Rows of an epoch that drop_last_batch leaves out."""
    batch_size = data.get("batch_size", 0)
    return rows % batch_size if batch_size and data.get("drop_remainder", True) else 0


def _faults(checkpoint: Checkpoint, samples: int, sums: EpochAccount, missing: int | None) -> Iterator[str]:
    accounts = checkpoint.accounts
    if missing:
        yield f"{missing:,} samples are missing"
    if sums.twice:
        yield f"samples came again {sums.twice:,} times after they had come"
    if accounts is not None and accounts.before + sums.samples != samples:
        yield (
            f"the streams took {samples:,} samples, the epochs have {sums.samples:,}"
            + (f" and {accounts.before:,} came before" if accounts.before else "")
        )
    yield from _steps_faults(checkpoint, samples - sums.skipped, sums)


def _steps_faults(checkpoint: Checkpoint, trained: int, sums: EpochAccount) -> Iterator[str]:
    """Whether the weight updates took as many batches and samples as were trained on."""
    if not checkpoint.streams:
        return
    step, data = checkpoint.step, checkpoint.data
    replicas, batch_size = data.get("replicas", 0), data.get("batch_size", 0)
    batches = sum(position.batches for position in checkpoint.streams) - sums.skipped_batches
    if replicas and batches != step * replicas:
        yield f"{step:,} steps of {replicas} replicas took {batches:,} batches"
    short = step * batch_size - trained
    if batch_size and (short < 0 or (short and not _short_batches(checkpoint, short))):
        yield f"{step:,} steps of {batch_size:,} samples took {trained:,} samples"


def _short_batches(checkpoint: Checkpoint, short: int) -> bool:
    """Whether the samples that are short of full batches are those of the last batches of closed epochs."""
    data, accounts = checkpoint.data, checkpoint.accounts
    if data.get("drop_remainder", True):
        return False
    if accounts is None or not accounts.rows:
        return True
    each: int = -accounts.rows % data["batch_size"]
    return each > 0 and short % each == 0 and short // each <= accounts.closed_below


def _unknown(checkpoint: Checkpoint, sums: EpochAccount) -> Iterator[str]:
    accounts = checkpoint.accounts
    if accounts is None:
        if checkpoint.streams:
            yield "no accounts were kept: which samples came, and how often, is not known"
        return
    if accounts.before:
        yield (
            f"the first {accounts.before:,} samples were taken before accounts were kept: "
            f"of epochs before {accounts.whole_from} it is not known what is missing"
        )
    if accounts.rows > LARGEST_ROWS:
        yield f"sources above {LARGEST_ROWS:,} rows are not accounted by row; this one has {accounts.rows:,}"
    if sums.unnumbered:
        yield f"{sums.unnumbered:,} samples came without row numbers: what is missing is not known"
    if accounts.by_row and "drop_remainder" not in checkpoint.data and _left_out(accounts.rows, checkpoint.data):
        yield "whether drop_last_batch leaves rows out was not noted; it is taken to"
