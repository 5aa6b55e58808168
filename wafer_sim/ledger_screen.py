"""`wafer_sim ledger`: the account of a model_dir for people and programs.

JSON keys: checkpoint (path), step, passed_over (newer checkpoints that are damaged: sentences), holds, faults and
unknown (sentences), samples (all that were taken), epochs_begun, epochs_absent, rows (0: sequential), missing (null
where rows are not accounted for), twice, bad, skipped, dropped (samples; bad ones of skipped steps count as skipped),
bad_count (all bad samples that came), sentence; streams: stream, epoch, sequence
(of the next batch), samples, batches, digest, history (hex); epochs: epoch, closed, samples, batches, taken, twice,
bad, skipped, skipped_batches, unnumbered, missing (null while it is not known), dropped; bad_samples: stream, epoch,
sequence, row, where, why (the first 1,000); skipped_steps: first, last, samples.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.table import Table

from wafer_sim import checkpoints
from wafer_sim.accounts import Accounts
from wafer_sim.checkpoints import Checkpoint
from wafer_sim.durable import MANIFEST
from wafer_sim.ledger import StreamPosition
from wafer_sim.proof import Proof, proof_of

_SHOWN_BAD = 20
_SHORT = 12


@dataclass(frozen=True, slots=True)
class Found:
    """A checkpoint and where it is. passed_over: what is wrong with newer ones."""

    path: Path
    checkpoint: Checkpoint
    passed_over: Sequence[str] = ()


def show(path: Path, as_json: bool) -> bool:
    """Write the ledger of a model_dir or one checkpoint to stdout; whether it holds. Raises NotFound, InvalidInput."""
    found = find(path)
    proof = proof_of(found.checkpoint)
    if as_json:
        sys.stdout.write(json.dumps(record(found, proof), indent=1, allow_nan=False) + "\n")
    else:
        Console(markup=False, highlight=False).print(Group(*screen(found, proof)), soft_wrap=True)
    return proof.holds


def find(path: Path) -> Found:
    """The checkpoint a path names: itself, or the newest whole one of a model_dir. Raises NotFound, InvalidInput."""
    if (path / MANIFEST).is_file():
        return Found(path, checkpoints.read(path))
    checkpoint, passed_over = checkpoints.newest_whole(path)
    return Found(path / f"checkpoint_{checkpoint.step}", checkpoint, passed_over)


def sentence(checkpoint: Checkpoint, proof: Proof) -> str:
    """Samples, epochs, and what became of them, in one sentence."""
    accounts = checkpoint.accounts
    if accounts is None:
        return f"{proof.samples:,} samples"
    text = f"{proof.sums.samples:,} samples in {_count(len(proof.epochs) + proof.absent, 'epoch')}"
    if proof.missing is not None:
        text += f": {proof.missing:,} missing, {proof.sums.twice:,} twice"
    more = [
        f"{number:,} {what}"
        for number, what in (
            (proof.dropped, "left out by drop_last_batch"),
            (proof.sums.bad, "bad"),
            (proof.sums.skipped, "skipped"),
        )
        if number
    ]
    return "; ".join([text, *more, *_under_way(accounts, proof)])


def record(found: Found, proof: Proof) -> dict[str, Any]:
    """The ledger as the keys above."""
    checkpoint, accounts = found.checkpoint, found.checkpoint.accounts or Accounts()
    return {
        "checkpoint": str(found.path),
        "step": checkpoint.step,
        "passed_over": list(found.passed_over),
        "holds": proof.holds,
        "faults": list(proof.faults),
        "unknown": list(proof.unknown),
        "sentence": sentence(checkpoint, proof),
        "samples": proof.samples,
        "epochs_begun": len(proof.epochs) + proof.absent,
        "epochs_absent": proof.absent,
        "rows": accounts.rows,
        "missing": proof.missing,
        "twice": proof.sums.twice,
        "bad": proof.sums.bad,
        "bad_count": accounts.bad_count,
        "skipped": proof.sums.skipped,
        "dropped": proof.dropped,
        "streams": [_stream(position) for position in checkpoint.streams],
        "epochs": [
            {"epoch": e.epoch, "closed": e.closed, **asdict(e.came), "missing": e.missing, "dropped": e.dropped}
            for e in proof.epochs
        ],
        "bad_samples": [
            {**asdict(bad.cursor), "row": bad.row, "where": bad.where, "why": bad.why} for bad in accounts.bad
        ],
        "skipped_steps": [asdict(skipped) for skipped in accounts.skipped],
    }


def screen(found: Found, proof: Proof) -> Iterator[RenderableType]:
    """A line on the checkpoint, the streams, the sentence, then what there is to say beyond it."""
    checkpoint, accounts = found.checkpoint, found.checkpoint.accounts or Accounts()
    yield f"{found.path}, step {checkpoint.step:,}"
    for problem in found.passed_over:
        yield f"passed over, damaged: {problem}"
    yield _table(checkpoint.streams) if checkpoint.streams else "no stream has begun"
    yield sentence(checkpoint, proof)
    for skipped in accounts.skipped:
        steps = (
            f"step {skipped.first:,}" if skipped.first == skipped.last else f"steps {skipped.first:,}..{skipped.last:,}"
        )
        yield f"skipped: {steps} of the input, {skipped.samples:,} samples"
    for bad in accounts.bad[:_SHOWN_BAD]:
        yield f"bad: {bad.where or 'a sample'}, row {bad.row:,} ({bad.cursor}): {bad.why}"
    if accounts.bad_count > _SHOWN_BAD:
        yield f"and {accounts.bad_count - _SHOWN_BAD:,} more bad samples; --json lists the first {len(accounts.bad):,}"
    for unknown in proof.unknown:
        yield f"not known: {unknown}"
    for fault in proof.faults:
        yield f"does not hold: {fault}"


def _under_way(accounts: Accounts, proof: Proof) -> Iterator[str]:
    for epoch in proof.epochs:
        if not epoch.closed and accounts.rows:
            came = epoch.came.samples - epoch.came.twice
            yield f"epoch {epoch.epoch} is under way: {came:,} of {accounts.rows:,}"
        elif not epoch.closed:
            yield f"epoch {epoch.epoch} is under way: {epoch.came.samples:,} so far"


def _table(streams: Sequence[StreamPosition]) -> Table:
    table = Table(show_edge=False)
    for column in ("stream", "next", "samples", "batches", "digest"):
        table.add_column(column, no_wrap=True)
    for position in streams:
        cursor = position.cursor
        table.add_row(
            str(cursor.stream),
            f"epoch {cursor.epoch} batch {cursor.sequence}",
            f"{position.samples:,}",
            f"{position.batches:,}",
            position.digest.hex()[:_SHORT] or "-",
        )
    return table


def _stream(position: StreamPosition) -> dict[str, int | str]:
    return {
        **asdict(position.cursor),
        "samples": position.samples,
        "batches": position.batches,
        "digest": position.digest.hex(),
        "history": position.history.hex(),
    }


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
