"""How much the data plane carries: two workers, real MNIST, float32 at the replica, no arithmetic."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from benchmarks.limits.memory import copy_rate
from benchmarks.measure import Figure, Result
from benchmarks.service import coordinator, train

RUNS = 5
SAMPLE_BYTES = 28 * 28 * 4
TCP, SHARED = "tcp", "auto"
ESTIMATED = 1_831_896
"""Samples per second that the real device was estimated to take of FC-MNIST."""
TARGETS = {TCP: ESTIMATED, SHARED: 6_000_000}
NAMES = {TCP: "over TCP", SHARED: "through shared memory"}
BATCHES = {256: 20_000, 4096: 2_500}
"""Batch size -> steps of a run."""

Rates = dict[tuple[int, str], list[float]]


def measure() -> Result:
    """Runs in drain mode, as fast as batches come; over TCP and through shared memory in turn."""
    rates: Rates = {(size, transport): [] for size in BATCHES for transport in TARGETS}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with coordinator(folder) as (address, _):
            for run in range(RUNS + 1):
                for (size, transport), found in rates.items():
                    rate = _drained(address, folder / f"{transport}{size}_{run}", transport, size)
                    if run:
                        found.append(rate)
    figures = [figure for key, found in rates.items() for figure in _figures(*key, found)]
    figures.append(Figure("limit: memcpy on one core", "GB/s", [copy_rate()]))
    return Result("drain", "python -m benchmarks drain", figures, "Bytes at rest, float32 at the replica; one warm-up.")


def _figures(size: int, transport: str, rates: list[float]) -> list[Figure]:
    name, target = f"batches of {size}, {NAMES[transport]}", TARGETS[transport]
    return [
        Figure(name, "samples/s", rates, f">= {target:,}", float(np.median(rates)) >= target),
        Figure(f"{name}: float32 landed", "GB/s", [rate * SAMPLE_BYTES / 1e9 for rate in rates]),
    ]


def _drained(address: str, model_dir: Path, transport: str, size: int) -> float:
    settings = {
        "runconfig.fabric_mode": "drain",
        "runconfig.transport": transport,
        "runconfig.log_steps": "5000",
        "train_input.batch_size": str(size),
        "train_input.to_float16": "False",
    }
    options = [word for pair in settings.items() for word in pair]
    asked = ("--max_steps", str(BATCHES[size]), "--num_workers", "2")
    rate: float = train(address, model_dir, *asked, *options)["samples_per_sec"]
    return rate
