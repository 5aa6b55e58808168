"""What the messages of a run say in figures: of its workers, its seams, and whether its input keeps up."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from wafer_sim.meter import UNATTRIBUTED
from wafer_sim.verdict import Rates, Verdict, judge
from wire.core_use import busiest, load_of
from wire.readings import by_name
from wire.seam import SeamReading
from wire.spread import Spread
from wire.v1 import run_pb2

QUANTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}


def verdict_of(progress: run_pb2.Progress, seams: Iterable[run_pb2.Seam]) -> Verdict:
    """The verdict on a run that is as far as this."""
    stalls = {stall.seam: stall.seconds for stall in progress.stalls if stall.seam != UNATTRIBUTED}
    return judge(progress.utilisation, stalls, len(workers_of(seams)), busiest(progress.cores))


def rates_of(progress: run_pb2.Progress, seams: Iterable[run_pb2.Seam]) -> Rates:
    """From which the rate with other numbers of workers is predicted."""
    workers = len(workers_of(seams))
    return Rates.of(progress.samples_per_second, progress.utilisation, workers, busiest(progress.cores))


def workers_of(seams: Iterable[run_pb2.Seam]) -> set[str]:
    """The workers that reported seams."""
    return {seam.worker for seam in seams if seam.worker}


def worker_rates(rate: float, seams: Iterable[run_pb2.Seam]) -> dict[str, float]:
    """Samples per second that each worker gave of `rate`, from its share of the batches."""
    batches: dict[str, int] = {}
    for seam in seams:
        if seam.name == "prefetch" and seam.worker:
            batches[seam.worker] = batches.get(seam.worker, 0) + seam.items
    total = sum(batches.values())
    return {worker: rate * count / total for worker, count in batches.items() if total}


def seam_figures(seams: Iterable[run_pb2.Seam]) -> dict[str, dict[str, Any]]:
    """Seam -> what it measured in all workers and streams, as performance.json has it. Times in seconds."""
    return {name: _figures(reading) for name, reading in by_name(seams).items()}


def core_figures(cores: Sequence[run_pb2.Cores]) -> list[dict[str, float]]:
    """For each machine, the wafer's own first: how many cores, and the shares of the time (0 .. 1) that they were busy.

    busy: for whomever. ours: for the run.
    """
    loads = [(each.cores, load_of(each)) for each in cores]
    return [{"cores": number, "busy": load.busy, "ours": load.ours} for number, load in loads]


def timeline_figures(intervals: Sequence[run_pb2.Interval]) -> dict[str, list[float]]:
    """Lists of one length, an entry for each interval.

    seconds: when it ended, since the first step. samples_per_second: in it. stall_fraction: of it (0 .. 1).
    """
    ends = [each.seconds for each in intervals]
    lengths = [end - begun for begun, end in zip([0.0, *ends], ends, strict=False)]
    pairs = [(each, length) for each, length in zip(intervals, lengths, strict=True) if length > 0]
    return {
        "seconds": [each.seconds for each, _ in pairs],
        "samples_per_second": [each.samples / length for each, length in pairs],
        "stall_fraction": [min(1.0, each.stall_seconds / length) for each, length in pairs],
    }


def _figures(reading: SeamReading) -> dict[str, Any]:
    return {
        "items": reading.items,
        "bytes": reading.bytes or None,
        "occupancy": reading.occupancy,
        "capacity": reading.capacity,
        "put_wait": {"total": reading.put_wait, **quantiles(reading.put_waits)},
        "get_wait": {"total": reading.get_wait, **quantiles(reading.get_waits)},
    }


def quantiles(spread: Spread) -> dict[str, float]:
    """p50, p95 and p99 in seconds."""
    return {name: spread.quantile(share) for name, share in QUANTILES.items()}
