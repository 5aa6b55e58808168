"""How much the data plane carries, beside its limits: two workers, real MNIST, float32 at a replica, no arithmetic."""

from __future__ import annotations

import os
import statistics
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.fc_mnist import DATA
from benchmarks.limits import MESSAGE_BYTES
from benchmarks.limits import SAMPLE_BYTES as BYTES_AT_REST
from benchmarks.limits.memory import copy_rate
from benchmarks.limits.ring import ring_rate
from benchmarks.limits.wire import feeding_rate, grpc_rate
from benchmarks.measure import Figure, Result
from benchmarks.peers.task import Task
from benchmarks.service import coordinator, train

RUNS = 5
SAMPLE_BYTES = 28 * 28 * 4
TCP, SHARED = "tcp", "auto"
ESTIMATED = 1_831_896
"""Samples per second that the real device was estimated to take of FC-MNIST."""
TARGETS = {TCP: ESTIMATED, SHARED: 6_000_000}
NAMES = {TCP: "over TCP", SHARED: "through shared memory"}
BATCHES = {256: 30_000, 4096: 3_000}
"""Batch size -> steps of a run."""
OF_THE_RING = 0.7
FED_ROWS = 4096
PACE, UTILISATION = 0.9, 0.99

Rates = dict[tuple[int, str], list[float]]


def measure() -> Result:
    """Runs in drain mode, as fast as batches come; over TCP and through shared memory in turn, limits after each."""
    rates: Rates = {(size, transport): [] for size in BATCHES for transport in TARGETS}
    rings, streams, least, paced = [], [], [], []
    pixels = Task(str(DATA)).read()[0]
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with coordinator(folder) as (address, _):
            for run in range(RUNS + 1):
                for (size, transport), found in rates.items():
                    rate = _drained(address, folder / f"{transport}{size}_{run}", transport, size)["samples_per_sec"]
                    if run:
                        found.append(rate)
                rings.append(ring_rate(pixels))
                streams.append(grpc_rate(MESSAGE_BYTES))
                least.append(feeding_rate(pixels.reshape(len(pixels), -1), FED_ROWS, pushers=2))
            pace = PACE * statistics.median(rates[256, SHARED])
            for run in range(RUNS):
                reached = _drained(address, folder / f"paced{run}", SHARED, 256, pace)
                paced.append(reached["accelerator_utilization"])
    figures = [figure for key, found in rates.items() for figure in _figures(*key, found)]
    figures += [*_ring_figures(rates[256, SHARED], rings[1:]), *_limits(rates[4096, TCP], streams[1:], least[1:])]
    met = statistics.median(paced) >= UTILISATION
    figures.append(Figure(f"utilisation at {pace:,.0f} samples/s", "", paced, f">= {UTILISATION}", met))
    notes = f"Bytes at rest, float32 at the replica; one warm-up. Load at the start: {load:.1f}."
    return Result("drain", "python -m benchmarks drain", figures, notes)


def _figures(size: int, transport: str, rates: list[float]) -> list[Figure]:
    name, target = f"batches of {size}, {NAMES[transport]}", TARGETS[transport]
    return [
        Figure(name, "samples/s", rates, f">= {target:,}", statistics.median(rates) >= target),
        Figure(f"{name}: float32 landed", "GB/s", [rate * SAMPLE_BYTES / 1e9 for rate in rates]),
    ]


def _ring_figures(rates: Sequence[float], rings: Sequence[float]) -> list[Figure]:
    ratios = [mine / ring for mine, ring in zip(rates, rings, strict=True)]
    met = statistics.median(ratios) >= OF_THE_RING
    return [
        Figure("limit: a bare shared-memory ring", "samples/s", rings),
        Figure("shared memory, batches of 256 / the bare ring", "", ratios, f">= {OF_THE_RING}", met),
    ]


def _limits(rates: Sequence[float], streams: Sequence[float], least: Sequence[float]) -> list[Figure]:
    at_rest, fed = ([rate * 1e9 / BYTES_AT_REST for rate in each] for each in (streams, least))
    ratios = [mine / limit for mine, limit in zip(rates, fed, strict=True)]
    return [
        Figure("limit: a bare gRPC byte stream, uint8 samples", "samples/s", at_rest),
        Figure("limit: two bare gRPC streams that gather and cast", "samples/s", fed),
        Figure("TCP, batches of 4096 / the streams that gather and cast", "", ratios),
        Figure("limit: memcpy on one core", "GB/s", [copy_rate()]),
    ]


def _drained(address: str, model_dir: Path, transport: str, size: int, pace: float = 0.0) -> dict[str, Any]:
    """What performance.json says of a run. pace: samples a second that are taken at most; 0: as they come."""
    settings = {
        "runconfig.fabric_mode": "drain",
        "runconfig.drain_rate": str(pace),
        "runconfig.transport": transport,
        "runconfig.log_steps": "5000",
        "train_input.batch_size": str(size),
        "train_input.to_float16": "False",
    }
    options = [word for pair in settings.items() for word in pair]
    asked = ("--max_steps", str(BATCHES[size]), "--num_workers", "2")
    return train(address, model_dir, *asked, *options)
