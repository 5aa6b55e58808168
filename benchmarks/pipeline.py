"""Your own pipeline through the real service: its rate per worker, where it is slow, how many workers are needed."""

from __future__ import annotations

import os
import statistics
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.measure import Figure, Result
from benchmarks.service import coordinator
from clients.analysis.alone import rate_alone
from clients.analysis.draining import Drain, Source, drained
from clients.analysis.sizing import ADVICE, CONSUMER, Needed, shares, waits
from clients.input import LoaderInput
from streamer.input_function import InputFunction
from streamer.pipeline import Input, loader_input
from streamer.user_code import load_function
from streamer.user_loader import read_params
from wafer_sim.meter import WARM_UP_STEPS
from wire.errors import InvalidInput
from wire.v1 import run_pb2

FUNCTION = "get_train_dataloader"
RUNS = 3


def measure(data: str, params: Path | None, rate: float = 0.0, seconds: float = 3.0) -> Result:
    """One worker and two, in turn, as fast as batches come, after a warm-up. Raises the Fault of a user's mistake.

    rate: samples a second that have to be fed; 0: nothing is asked. seconds: of a run.
    """
    if rate < 0 or seconds <= 0:
        raise InvalidInput("a rate is not below 0, and a run takes some time", where="--rate, --seconds")
    load = os.getloadavg()[0]
    source, opened = _opened(data, params)
    alone = rate_alone(opened, source.batch_size, source.shuffle, seconds)
    steps = WARM_UP_STEPS + max(2, int(alone * seconds / source.batch_size))
    runs = _runs(source, steps)
    one, two = ([run.progress.samples_per_second for run in runs[workers]] for workers in (1, 2))
    figures = [
        Figure("pipeline alone, one stream", "samples/s", [alone]),
        Figure("1 worker", "samples/s", one),
        Figure("2 workers", "samples/s", two),
        *_waiting(runs[1]),
    ]
    command = f"streamer bench --data {data}" + (f" --params {params}" if params else "")
    return Result("pipeline", command, figures, "\n".join([_said(runs[1], rate, one, two), f"Load: {load:.1f}."]))


def _opened(data: str, params: Path | None) -> tuple[Source, Input]:
    """What the user's function gives, as the workers will read it, and opened here."""
    make = InputFunction(load_function(data, FUNCTION), read_params(params))
    loader: Any = make().loader
    found = LoaderInput.of(loader)
    options = ("--data", data, *(("--params", str(params)) if params else ()))
    return Source.read(found, options), found.opened or loader_input(loader, make)


def _runs(source: Source, steps: int) -> dict[int, list[run_pb2.Finished]]:
    found: dict[int, list[run_pb2.Finished]] = {1: [], 2: []}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with coordinator(folder) as (address, _):
            for run in range(RUNS + 1):
                for workers, finished in found.items():
                    drain = Drain(steps * workers, workers)
                    done = drained(address, folder / f"{workers}_{run}", source, drain)
                    if run:
                        finished.append(done)
    return found


def _waiting(runs: Sequence[run_pb2.Finished]) -> list[Figure]:
    parts = [shares(waits(run.seams)) for run in runs]
    return [Figure(f"the sender waits: {part}", "%", [100 * run[part] for run in parts]) for part in parts[0]]


def _said(runs: Sequence[run_pb2.Finished], rate: float, one: Sequence[float], two: Sequence[float]) -> str:
    """Where it is slow, and how many workers are needed."""
    totals = [waits(run.seams) for run in runs]
    summed = {part: sum(total[part] for total in totals) for part in totals[0]}
    slow = max(summed, key=lambda part: summed[part]) if any(summed.values()) else CONSUMER
    said = f"A worker waits most for {slow}: {ADVICE[slow]}."
    if not rate:
        return said
    return f"{said}\n{Needed.of(rate, statistics.median(one), statistics.median(two)).sentence(rate)}"
