"""A wafer process that writes down how old each batch was when a replica had it: AGES_FILE, then its usual options."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path

from benchmarks.bare import replace
from benchmarks.stamped import age
from wafer_sim import wafer_process
from wafer_sim.run.fabric import Drain
from wafer_sim.run.feed import StepInput
from wafer_sim.run.train import Training

_ages: list[float] = []


def note(self: Drain, batches: StepInput, step: int) -> float:
    """Take the landed batches of a step at once."""
    _ages.extend(age(taken.loader_state) for taken in batches.taken if taken.loader_state)
    return math.nan


def main(target: Path) -> int:
    """Live as a wafer process; the ages, in seconds, are written before the run is said to have finished."""
    finish = Training.end

    def end(self: Training) -> None:
        target.write_text(json.dumps(_ages))
        finish(self)

    replace(Drain, "step", note)
    replace(Training, "end", end)
    return wafer_process.main()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv.pop(1))))
