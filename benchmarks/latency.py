"""How old a batch is when its replica has it: from ready at the worker to landed, on a system that waits for input."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path

import numpy as np
import yaml

from benchmarks.measure import Figure, Result
from benchmarks.service import coordinator
from benchmarks.thinking import data as thinking
from clients.analysis.draining import Drain, Source, drained
from clients.launcher import streamer_command
from streamer.pipeline import loader_input

RUNS = 5
STEPS, FIRST = 400, 50
"""Of a run; the first ones are not counted."""
BATCH, THINK_SECONDS = 256, 0.02
MEDIAN_MS, TAIL_MS = 2.0, 10.0
THINKING = Path(thinking.__file__)


def measure() -> Result:
    """One worker that thinks about each batch; over TCP and through shared memory in turn."""
    ages: dict[str, list[list[float]]] = {"over TCP": [], "through shared memory": []}
    load = os.getloadavg()[0]
    for run in range(RUNS + 1):
        for name, found in ages.items():
            noted = _ages(tcp_only=name == "over TCP")
            if run:
                found.append(noted)
    figures = [figure for name, found in ages.items() for figure in _figures(name, found)]
    notes = (
        f"{STEPS - FIRST} batches of {BATCH} a run, {28 * 28 * 4 * BATCH / 2**10:,.0f} KiB each, one every "
        f"{THINK_SECONDS * 1e3:g} ms from one worker; one warm-up. Load at the start: {load:.1f}."
    )
    return Result("latency", "python -m benchmarks latency", figures, notes)


def _figures(name: str, runs: list[list[float]]) -> list[Figure]:
    medians, tails = ([float(np.percentile(run, share)) * 1e3 for run in runs] for share in (50, 99))
    return [
        Figure(f"{name}: p50", "ms", medians, f"< {MEDIAN_MS:g} ms", float(np.median(medians)) < MEDIAN_MS),
        Figure(f"{name}: p99", "ms", tails, f"< {TAIL_MS:g} ms", float(np.median(tails)) < TAIL_MS),
    ]


def _ages(*, tcp_only: bool) -> list[float]:
    """Of each batch of a run, in seconds."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ages = folder / "ages.json"
        serve = [sys.executable, "-m", "benchmarks.stamped.serve", str(folder / "state"), str(ages)]
        with coordinator(folder, serve) as (address, _):
            drained(address, folder / "run", _source(folder), Drain(STEPS, workers=1, tcp_only=tcp_only, streams=1))
        noted: list[float] = json.loads(ages.read_text())
    return noted[FIRST:]


def _source(folder: Path) -> Source:
    params = {"train_input": {"batch_size": BATCH, "think_seconds": THINK_SECONDS}}
    written = folder / "params.yaml"
    written.write_text(yaml.safe_dump(params))
    opened = loader_input(thinking.get_train_dataloader(params))
    words = ("--data", str(THINKING), "--params", str(written))

    def worker(address: str, session: str) -> tuple[list[str], dict[str, str]]:
        command, added = streamer_command(address, session, words)
        return [word.replace("streamer.cli", "benchmarks.stamped.worker") for word in command], added

    return Source(opened.spec, BATCH, opened.rows, shuffle=False, own=worker)
