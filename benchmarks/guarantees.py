"""What the guarantees cost: the service against the same one without ledger, accounts, acks, digests and journal.

Alternating runs of FC-MNIST through two workers, once as it trains and once as fast as batches can be carried.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np

from benchmarks.faults.guard import guarded
from benchmarks.faults.marked import environment
from benchmarks.measure import Figure, Result
from benchmarks.service import train

ROOT = Path(__file__).parents[1]
RUNS = 7
STEPS = {"compute": 2000, "drain": 8000}
TARGET = 0.97
WORKERS = 2
WHOLE = ("wafer_sim.cli", "serve", "--port", "0", "--state-dir"), ("streamer.cli",)
BARE = ("benchmarks.bare.serve",), ("benchmarks.bare.worker",)


def measure() -> Result:
    """The ratio is taken pair by pair, with the guarantees over without them."""
    figures = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with service(folder / "whole", *WHOLE) as whole, service(folder / "bare", *BARE) as bare:
            for mode, steps in STEPS.items():
                figures += _pairs(folder, mode, steps, whole, bare)
    notes = f"{STEPS['compute']} steps a run that trains, {STEPS['drain']} a run in drain mode; one warm-up pair each. "
    notes += "Who goes first alternates."
    return Result("guarantees", "python -m benchmarks guarantees", figures, notes)


def _pairs(folder: Path, mode: str, steps: int, whole: str, bare: str) -> list[Figure]:
    rates: dict[str, list[float]] = {whole: [], bare: []}
    options = ("--max_steps", str(steps), "runconfig.fabric_mode", mode, "--num_workers", "0")
    for run in range(RUNS + 1):
        order = (whole, bare) if run % 2 else (bare, whole)
        for address in order:
            model_dir = folder / f"{mode}{run}_{address.rpartition(':')[2]}"
            rate = train(address, model_dir, *options)["samples_per_sec"]
            if run:
                rates[address].append(rate)
    ratios = [a / b for a, b in zip(rates[whole], rates[bare], strict=True)]
    return [
        Figure(f"{mode}: with the guarantees", "samples/s", rates[whole]),
        Figure(f"{mode}: without", "samples/s", rates[bare]),
        Figure(f"{mode}: ratio", "", ratios, f">= {TARGET}", float(np.median(ratios)) >= TARGET),
    ]


@contextmanager
def service(folder: Path, serve: Sequence[str], worker: Sequence[str]) -> Iterator[str]:
    """A coordinator, given as a module and its words before the state directory, with workers: its address."""
    folder.mkdir()
    mark = uuid.uuid4().hex
    with guarded(mark), (folder / "log").open("wb") as log:
        started = [_start([*serve, str(folder / "state")], mark, subprocess.PIPE, log)]
        assert started[0].stdout is not None
        with started[0].stdout as out:
            address = out.readline().decode().split()[3].rstrip(",")
        options = ["worker", "--coordinator", address]
        started += [_start([*worker, *options], mark, log, log) for _ in range(WORKERS)]
        yield address
    for process in started:
        process.wait()


def _start(words: Sequence[str], mark: str, out: int | IO[bytes], err: IO[bytes]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", *words],
        cwd=ROOT,
        env=environment(mark),
        stdin=subprocess.DEVNULL,
        stdout=out,
        stderr=err,
        start_new_session=True,
    )
