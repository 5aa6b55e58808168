"""A wafer process that writes down what it took before its run is over: DIGEST_FILE, then its usual options."""

from __future__ import annotations

import json
import math
import sys
from dataclasses import asdict
from pathlib import Path

from benchmarks.bare import replace
from benchmarks.peers.digest import Digest
from wafer_sim import wafer_process
from wafer_sim.run.fabric import Drain
from wafer_sim.run.feed import StepInput
from wafer_sim.run.train import Training

_taken = [Digest()]


def digest_step(self: Drain, batches: StepInput, step: int) -> float:
    """Digest the landed batches of a step, at any rate."""
    for arrays in batches.batches:
        _taken[0] = _taken[0].with_batch(arrays)
    return math.nan


def main(target: Path) -> int:
    """Live as a wafer process; the digest is written before the run is said to have finished."""
    finish = Training.end

    def end(self: Training) -> None:
        target.write_text(json.dumps(asdict(_taken[0])))
        finish(self)

    replace(Drain, "step", digest_step)
    replace(Training, "end", end)
    return wafer_process.main()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv.pop(1))))
