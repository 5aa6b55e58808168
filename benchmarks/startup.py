"""How long a person waits: `--help`, until `wafer_sim serve` accepts connections, and for a worker's first batch."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import yaml

from benchmarks.fc_mnist import DATA
from benchmarks.measure import Figure, Result
from benchmarks.service import coordinator
from benchmarks.thinking import data as thinking
from clients.analysis.draining import Drain, Source, submitted
from clients.launcher import LocalWorkers
from clients.session import Session
from streamer.pipeline import loader_input
from streamer.recipe import Recipe
from wire.v1 import run_pb2

RUNS = 7
THINKING = Path(thinking.__file__)
COLUMNS = {"image": {"dtype": "uint8", "shape": [28, 28]}, "label": {"dtype": "int32"}}


def measure() -> Result:
    """Whole processes, after one warm-up."""
    figures = [_help(name) for name in ("streamer", "wafer_sim")]
    serving = []
    for run in range(RUNS + 1):
        with tempfile.TemporaryDirectory() as name:
            begun = time.perf_counter()
            with coordinator(Path(name)):
                if run:
                    serving.append(time.perf_counter() - begun)
    figures.append(_figure("wafer_sim serve accepts", serving, 2.0))
    figures += _first_batches()
    return Result("startup", "python -m benchmarks startup", figures)


def _help(name: str) -> Figure:
    command = [str(Path(sys.executable).parent / name), "--help"]
    seconds = []
    for run in range(RUNS + 1):
        begun = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        if run:
            seconds.append(time.perf_counter() - begun)
    return _figure(f"{name} --help", seconds, 0.3)


def _first_batches() -> list[Figure]:
    """From the start of a worker process to its first batch at the replica of a run that waits for it."""
    section = {"format": "parquet", "data_dir": str(DATA), "columns": COLUMNS, "batch_size": 256}
    found: dict[str, list[float]] = {"a recipe": [], "a torch loader": []}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        params = folder / "params.yaml"
        params.write_text(yaml.safe_dump({"train_input": {"batch_size": 256, "think_seconds": 0.0}}))
        loader = loader_input(thinking.get_train_dataloader(yaml.safe_load(params.read_text())))
        words = ("--data", str(THINKING), "--params", str(params))
        sources = {
            "a recipe": Source.of(Recipe.from_params(section, "train_input")),
            "a torch loader": Source(loader.spec, 256, loader.rows, shuffle=False, loader=words),
        }
        with coordinator(folder) as (address, _):
            for run in range(RUNS + 1):
                for what, source in sources.items():
                    seconds = _first_batch(address, folder / f"{what}{run}", source)
                    if run:
                        found[what].append(seconds)
    bounds = {"a recipe": 1.5, "a torch loader": 4.0}
    return [_figure(f"a worker's first batch of {what}", seconds, bounds[what]) for what, seconds in found.items()]


def _first_batch(address: str, model_dir: Path, source: Source) -> float:
    with Session(address) as session:
        run_id = submitted(session, model_dir, source, Drain(50, workers=1, streams=1))
        events = session.follow(run_id)
        _until(events, "waiting for")
        with LocalWorkers(1, session.address, session.id, source.loader) as workers:
            begun = time.perf_counter()
            workers.start()
            _until(events, "running")
            seconds = time.perf_counter() - begun
            for event in events:
                if event.HasField("finished"):
                    return seconds
    raise RuntimeError(f"{run_id} ended without a word")


def _until(events: Iterator[run_pb2.RunEvent], phase: str) -> None:
    for event in events:
        if event.phase.startswith(phase):
            return
    raise RuntimeError(f"the run ended and was never {phase!r}")


def _figure(name: str, seconds: list[float], bound: float) -> Figure:
    return Figure(name, "s", seconds, f"<= {bound:g} s", float(np.median(seconds)) <= bound)
