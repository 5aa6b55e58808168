"""How much the data plane carries: two workers, real MNIST, float32 at the replica, over TCP, no arithmetic."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from benchmarks.measure import Figure, Result
from benchmarks.service import coordinator, train

RUNS = 5
STEPS = 8000
TARGET = 300_000
SAMPLE_BYTES = 28 * 28 * 4


def measure() -> Result:
    """Runs in drain mode, as fast as batches come."""
    rates = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with coordinator(folder) as (address, _):
            for run in range(RUNS + 1):
                options = ("--max_steps", str(STEPS), "runconfig.fabric_mode", "drain", "--num_workers", "2")
                rate = train(address, folder / f"run{run}", *options)["samples_per_sec"]
                if run:
                    rates.append(rate)
    landed = [rate * SAMPLE_BYTES / 1e9 for rate in rates]
    copies = copy_rate()
    figures = [
        Figure("drained", "samples/s", rates, f">= {TARGET:,}", float(np.median(rates)) >= TARGET),
        Figure("float32 landed", "GB/s", landed),
        Figure("limit: memcpy on one core", "GB/s", [copies]),
    ]
    return Result("drain", "python -m benchmarks drain", figures, f"{STEPS} steps of 256 samples a run, one warm-up.")


def copy_rate() -> float:
    """Bytes per second that one core copies between two buffers beyond its caches, in GB/s."""
    import time

    source = np.ones(256 * 2**20, np.uint8)
    target = np.empty_like(source)
    best = 0.0
    for _ in range(5):
        begun = time.perf_counter()
        np.copyto(target, source)
        best = max(best, source.nbytes / (time.perf_counter() - begun) / 1e9)
    return best
