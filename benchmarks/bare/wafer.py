"""A wafer process that keeps no ledger and no history, and acks nothing."""

from __future__ import annotations

import sys
from typing import Any

from benchmarks.bare import replace
from wafer_sim import wafer_process
from wafer_sim.ingest import gate
from wafer_sim.run.feed import Feed, StepInput


def commit(self: Feed, step: StepInput, made: int, *, skipped: bool = False) -> None:
    """The step is over, and nothing of it is noted."""


def same_history(history: bytes, *_: Any) -> bytes:
    """A history that does not grow."""
    return history


if __name__ == "__main__":
    replace(Feed, "commit", commit)
    replace(gate, "history_over", same_history)
    sys.exit(wafer_process.main())
