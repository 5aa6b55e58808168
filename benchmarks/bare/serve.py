"""`wafer_sim serve` without a journal, whose wafer processes keep no ledger: python -m benchmarks.bare.serve DIR."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.bare import replace
from wafer_sim.service import journal
from wafer_sim.service.server import Settings, serve_until_signal
from wire.v1 import journal_pb2


def forget(self: journal.Journal, records: Sequence[journal_pb2.Record]) -> None:
    """Write nothing down."""


def main(state_dir: Path) -> None:
    """Serve on a free port until told to stop."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    replace(journal.Journal, "append", forget)
    serve_until_signal(Settings(state_dir, port=0, wafer_program=(sys.executable, "-m", "benchmarks.bare.wafer")))


if __name__ == "__main__":
    main(Path(sys.argv[1]).absolute())
