"""What streaming costs a TensorFlow model: FC-MNIST through workers against plain TensorFlow in one process.

Training: against the same graph in a session of its own on the same threads, fed from memory; beside it, without a
target, on all cores, of which the wafer leaves one to the input. Carrying: drain mode against iterating the same
tf.data pipeline in one process. Runs alternate.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.measure import Figure, Result
from benchmarks.service import TENSORFLOW, coordinator, train

RUNS = 5
STEPS = {"compute": 2000, "drain": 6000}
TARGETS = {"compute": 0.85, "drain": 0.7}
PLAIN = {
    "compute": "the same graph, plain TensorFlow, from memory, same threads",
    "drain": "the same pipeline, iterated in one process",
}


def measure() -> Result:
    """The ratio is taken pair by pair."""
    figures = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with coordinator(folder) as (address, _):
            for mode in STEPS:
                figures += _pairs(folder, address, mode)
    notes = f"{STEPS['compute']} steps a run that trains, {STEPS['drain']} a run in drain mode; one warm-up pair each."
    return Result("tensorflow_fc_mnist", "python -m benchmarks tensorflow_fc_mnist", figures, notes)


def _pairs(folder: Path, address: str, mode: str) -> list[Figure]:
    through, plain, machine = [], [], []
    options = ("--max_steps", str(STEPS[mode]), "runconfig.fabric_mode", mode)
    for run in range(RUNS + 1):
        rate = train(address, folder / f"{mode}{run}", *options, project=TENSORFLOW)["samples_per_sec"]
        alone = _alone(mode, STEPS[mode])
        if run:
            through.append(rate)
            plain.append(alone)
            machine += [_alone("machine", STEPS[mode])] if mode == "compute" else []
    ratios = [a / b for a, b in zip(through, plain, strict=True)]
    target = TARGETS[mode]
    beside = [Figure("compute: the same, on all cores", "samples/s", machine)] if machine else []
    return [
        Figure(f"{mode}: through two workers and gRPC", "samples/s", through),
        Figure(f"{mode}: {PLAIN[mode]}", "samples/s", plain),
        *beside,
        Figure(f"{mode}: ratio", "", ratios, f">= {target}", float(np.median(ratios)) >= target),
    ]


def _alone(mode: str, steps: int) -> float:
    """Samples per second of plain TensorFlow, in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.plain_tensorflow", mode, str(steps)]
    env = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3", "TF_USE_LEGACY_KERAS": "1"}  # the Keras of model_fn
    done = subprocess.run(command, cwd=Path(__file__).parents[1], capture_output=True, text=True, check=False, env=env)
    assert done.returncode == 0, done.stderr
    return float(done.stdout)
