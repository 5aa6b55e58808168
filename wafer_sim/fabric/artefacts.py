"""What a compile leaves of its estimate, by the names and with the words that CSoft used."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from wafer_sim.fabric.records import from_json, to_json
from wafer_sim.fabric.result import Estimate
from wafer_sim.fabric.screen import columns
from wire.errors import NotFound

ESTIMATE, PLAN, DELTA_T, REPORT = "estimate.json", "plan.json", "deltat_estimate.json", "compile_report.txt"


def files(estimate: Estimate) -> dict[str, bytes]:
    """File name -> content: the estimate itself, plan.json, deltat_estimate.json and compile_report.txt."""
    return {
        ESTIMATE: to_json(estimate).encode(),
        PLAN: _json(plan(estimate)),
        DELTA_T: _json({"estimated_deltat": estimate.delta_t}),
        REPORT: report(estimate).encode(),
    }


def read(directory: Path) -> Estimate:
    """The estimate that a compile left in its cs_ directory. Raises NotFound, InvalidInput."""
    path = directory / ESTIMATE
    try:
        return from_json(path.read_bytes(), str(path))
    except OSError as error:
        raise NotFound(error.strerror or "cannot be read", where=str(path), fix="compile again") from error


def performance(estimate: Estimate) -> dict[str, float | int]:
    """The keys of performance.json that come from the estimate."""
    return {
        "est_samples_per_sec": estimate.samples_per_second,
        "fabric_cores": estimate.active_cores,
        "fabric_utilization": estimate.fabric_utilization,
        "delta_t": estimate.delta_t,
        "Frequency": estimate.clock_hertz,
    }


def plan(estimate: Estimate) -> dict[str, Any]:
    """Where everything lies. total_utilization: share of the usable cores that are active."""
    placed = [
        {"name": kernel.name, "x": x + r.x, "y": y + r.y, "width": r.width, "height": r.height, "replica": replica}
        for replica, (x, y) in enumerate(estimate.corners)
        for kernel in estimate.kernels
        if (r := kernel.rectangle) is not None
    ]
    return {
        "total_utilization": estimate.fabric_utilization,
        "execution_strategy": estimate.strategy,
        "fabric": {"width": estimate.grid[0], "height": estimate.grid[1]},
        "replicas": estimate.replicas,
        "kernels": placed,
    }


def report(estimate: Estimate) -> str:
    """compile_report.txt: Samples/s is the lower of compute and transmission; then the same for each kernel."""
    return "\n".join([*_whole(estimate), "", *columns([_HEAD, *_kernels(estimate)])]) + "\n"


_HEAD = (
    "Kernel",
    "Source",
    "Samples/s",
    "Compute Samples/s",
    "Transmission Samples/s",
    "Active PEs %",
    "Compute Util. %",
)


def _whole(estimate: Estimate) -> Iterator[str]:
    yield f"Samples/s:               {estimate.samples_per_second:,.1f}"
    yield f"Compute Samples/s:       {estimate.compute_samples_per_second:,.1f}"
    yield f"Transmission Samples/s:  {estimate.transmission_samples_per_second:,.1f}"
    yield f"Active PEs %:            {estimate.fabric_utilization:.2%}"
    yield f"Compute Utilization %:   {estimate.compute_utilization:.2%}"
    yield f"Replicas:                {estimate.replicas}"


def _kernels(estimate: Estimate) -> Iterator[tuple[str, ...]]:
    """A kernel's transmission is what its links (weight streaming: the link) could pass, its compute all the rest."""
    pace = estimate.clock_hertz * estimate.replicas
    for kernel in estimate.kernels:
        compute, transmission = max(kernel.compute, kernel.memory), max(kernel.fabric, kernel.link)
        rates = (kernel.turn, compute, transmission)
        cores = kernel.cores * estimate.replicas / estimate.area
        shares = f"{cores:.2%}", f"{kernel.utilisation:.2%}"
        yield kernel.name, kernel.source, *(_rate(pace, cycles) for cycles in rates), *shares


def _rate(pace: float, cycles: float) -> str:
    return f"{pace / cycles:,.1f}" if cycles else "-"


def _json(record: dict[str, Any]) -> bytes:
    """No space behind a colon: the documents' `grep -o '"estimated_deltat":[0-9\\.]*'` looks for none."""
    return (json.dumps(record, indent=1, separators=(",", ":"), allow_nan=False) + "\n").encode()
