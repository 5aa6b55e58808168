"""One worker, one stream, batches of 4 MiB of float32 over TCP, beside a bare gRPC stream of messages of that size."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.limits.wire import feeding_rate, grpc_rate, tcp_rate
from benchmarks.measure import Figure, Result
from benchmarks.service import coordinator
from clients.analysis.draining import Drain, Source, drained
from streamer.recipe import Recipe

RUNS = 5
STEPS = 1200
FLOATS, BATCH = 1024, 1024
BATCH_BYTES = FLOATS * BATCH * 4
TARGET = 0.9


def measure() -> Result:
    """Alternating runs, the ratio pair by pair; what a socket alone carries stands beside it."""
    section = {"format": "synthetic", "rows": 64 * BATCH, "batch_size": BATCH}
    columns = {"x": {"dtype": "float32", "shape": [FLOATS]}}
    source = Source.of(Recipe.from_params(section | {"columns": columns}, "train_input"))
    table = np.random.default_rng(1).random((64 * BATCH, FLOATS), np.float32)
    ours, bare, least, sockets = [], [], [], []
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with coordinator(folder) as (address, _):
            for run in range(RUNS + 1):
                rate = _rate(address, folder / str(run), source)
                beside = grpc_rate(BATCH_BYTES), feeding_rate(table, BATCH), tcp_rate(BATCH_BYTES)
                if run:
                    for rates, found in zip((ours, bare, least, sockets), (rate, *beside), strict=True):
                        rates.append(found)
    ratios = [mine / theirs for mine, theirs in zip(ours, bare, strict=True)]
    figures = [
        Figure("one worker, one stream, 4 MiB batches", "GB/s", ours),
        Figure("limit: a bare gRPC byte stream, 4 MiB messages", "GB/s", bare),
        Figure("limit: such a stream that gathers and lands its rows", "GB/s", least),
        Figure("limit: raw TCP", "GB/s", sockets),
        Figure("ratio to the bare stream", "", ratios, f">= {TARGET}", float(np.median(ratios)) >= TARGET),
        Figure("ratio to the one that gathers and lands", "", [m / t for m, t in zip(ours, least, strict=True)]),
    ]
    notes = f"{STEPS} steps a run, one warm-up. Load at the start: {load:.1f}."
    return Result("stream", "python -m benchmarks stream", figures, notes)


def _rate(address: str, model_dir: Path, source: Source) -> float:
    drain = Drain(STEPS, workers=1, tcp_only=True, streams=1)
    return drained(address, model_dir, source, drain).progress.samples_per_second * FLOATS * 4 / 1e9
