"""Emulated accelerators of the MLPerf Storage benchmark, fed by real workers: are they kept busy? No MLPerf result."""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

import yaml

from benchmarks.measure import Figure, Result
from benchmarks.mlperf.records import write_records
from benchmarks.mlperf.workloads import Workload, chosen
from benchmarks.service import coordinator
from clients.analysis.draining import Drain, Source, drained
from wafer_sim.meter import WARM_UP_STEPS
from wire.elements import ElementSpec, Field
from wire.errors import InvalidInput

RUNS = 5
SECONDS = 5.0
DATA = "benchmarks.mlperf.data:get_train_dataloader"
BATCHES = 64
"""Of an epoch."""


def measure(
    accelerator: str = "h100", names: Sequence[str] | None = None, accelerators: int = 1, workers: int = 2
) -> Result:
    """AU of each workload over some runs, alternating. Raises InvalidInput for one that there is none of."""
    if accelerators < 1 or workers < 1:
        raise InvalidInput("one accelerator and one worker are the least", where="--accelerators, --workers")
    workloads = chosen(accelerator, names)
    found: dict[str, list[float]] = {workload.name: [] for workload in workloads}
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        params = {workload.name: _prepared(workload, folder) for workload in workloads}
        with coordinator(folder) as (address, _):
            for run in range(RUNS):
                for workload in workloads:
                    model_dir = folder / f"{workload.name}_{run}"
                    rate = _rate(address, model_dir, workload, params[workload.name], accelerators, workers)
                    found[workload.name].append(workload.utilisation(rate, accelerators))
    figures = [figure for workload in workloads for figure in _figures(workload, found[workload.name], accelerators)]
    command = f"streamer bench mlperf --accelerator {accelerator} --accelerators {accelerators} --workers {workers}"
    notes = (
        f"Load at the start: {load:.1f}. Records are read whole from files that the page cache holds, cut or repeated "
        "to the size that a step takes, and travel; storage itself is not measured. Numbers of the workloads: "
        "mlcommons/storage, configs/dlio/workload. This is not an MLPerf result."
    )
    return Result("mlperf", command, figures, notes)


def _figures(workload: Workload, found: list[float], accelerators: int) -> list[Figure]:
    needed = workload.samples_per_second * accelerators
    target = f">= {workload.passes_at:g}"
    median = sorted(found)[len(found) // 2]
    return [
        Figure(f"{workload.name}: AU", "", found, target, median >= workload.passes_at),
        Figure(f"{workload.name}: taken", "samples/s", [au * needed for au in found], f"{needed:,.4g}"),
        Figure(f"{workload.name}: read", "GB/s", [au * needed * workload.record_bytes / 1e9 for au in found]),
    ]


def _prepared(workload: Workload, folder: Path) -> Path:
    """The params.yaml of the workers, with the records that it names written."""
    records = folder / f"{workload.name}.records"
    write_records(records, workload.record_bytes, workload.records)
    section = {
        "records": str(records),
        "record_bytes": workload.record_bytes,
        "shape": list(workload.shape),
        "rows": workload.batch_size * BATCHES,
        "batch_size": workload.batch_size,
    }
    params = folder / f"{workload.name}.yaml"
    params.write_text(yaml.safe_dump({"train_input": section}))
    return params


def _rate(  # noqa: PLR0913, PLR0917 - what is run, where, and how
    address: str, model_dir: Path, workload: Workload, params: Path, accelerators: int, workers: int
) -> float:
    """Samples a second that accelerators took which wanted no more than theirs."""
    spec = ElementSpec((Field("sample", "uint8", workload.shape),))
    loader = ("--data", DATA, "--params", str(params))
    source = Source(spec, workload.batch_size, workload.batch_size * BATCHES, shuffle=True, loader=loader)
    steps = WARM_UP_STEPS + math.ceil(SECONDS / workload.compute_seconds) * accelerators
    drain = Drain(steps, workers, workload.samples_per_second * accelerators)
    return drained(address, model_dir, source, drain).progress.samples_per_second
