"""`wafer_sim serve` whose wafer processes note ages: python -m benchmarks.stamped.serve STATE_DIR AGES_FILE."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

from wafer_sim.service.server import Settings, serve_until_signal


def main(state_dir: Path, ages_file: Path) -> None:
    """Serve on a free port until told to stop."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    program = (sys.executable, "-m", "benchmarks.stamped.wafer", str(ages_file))
    serve_until_signal(Settings(state_dir, port=0, wafer_program=program))


if __name__ == "__main__":
    main(Path(sys.argv[1]).absolute(), Path(sys.argv[2]).absolute())
