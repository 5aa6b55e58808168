"""How much the data plane carries: two workers, real MNIST, float32 at the replica, no arithmetic."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from benchmarks.limits.memory import copy_rate
from benchmarks.measure import Figure, Result
from benchmarks.service import coordinator, train

RUNS = 5
STEPS = 8000
TARGET = 300_000
SAMPLE_BYTES = 28 * 28 * 4
TCP, SHARED = "tcp", "auto"


def measure() -> Result:
    """Runs in drain mode, as fast as batches come; over TCP and through shared memory in turn."""
    rates: dict[str, list[float]] = {TCP: [], SHARED: []}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with coordinator(folder) as (address, _):
            for run in range(RUNS + 1):
                for transport, found in rates.items():
                    rate = _drained(address, folder / f"{transport}{run}", transport)
                    if run:
                        found.append(rate)
    landed = {transport: [rate * SAMPLE_BYTES / 1e9 for rate in found] for transport, found in rates.items()}
    figures = [
        Figure("over TCP", "samples/s", rates[TCP], f">= {TARGET:,}", float(np.median(rates[TCP])) >= TARGET),
        Figure("over TCP: float32 landed", "GB/s", landed[TCP]),
        Figure("through shared memory", "samples/s", rates[SHARED]),
        Figure("through shared memory: float32 landed", "GB/s", landed[SHARED]),
        Figure("limit: memcpy on one core", "GB/s", [copy_rate()]),
    ]
    return Result("drain", "python -m benchmarks drain", figures, f"{STEPS} steps of 256 samples a run, one warm-up.")


def _drained(address: str, model_dir: Path, transport: str) -> float:
    options = ("--max_steps", str(STEPS), "runconfig.fabric_mode", "drain", "runconfig.transport", transport)
    rate: float = train(address, model_dir, *options, "--num_workers", "2")["samples_per_sec"]
    return rate
