"""What the messages of a run say in figures."""

from __future__ import annotations

from wafer_sim.figures import (
    core_figures,
    rates_of,
    seam_figures,
    timeline_figures,
    verdict_of,
    worker_rates,
)
from wire.core_use import Load
from wire.readings import seam_message
from wire.seam import SeamReading
from wire.spread import Spread
from wire.v1 import run_pb2

PROGRESS = run_pb2.Progress(
    samples_per_second=600.0,
    utilisation=0.5,
    stalls=[run_pb2.SeamStall(seam="unattributed", seconds=9.0), run_pb2.SeamStall(seam="wire", seconds=1.0)],
    cores=[
        run_pb2.Cores(cores=2, busy_seconds=3.0, seconds=5.0, own_seconds=1.0),
        run_pb2.Cores(cores=4, busy_seconds=1, seconds=5),
    ],
)


def seam(worker: str, items: int, *waits: float, name: str = "prefetch") -> run_pb2.Seam:
    reading = SeamReading(name, items, 0.0, sum(waits), 1.0, 0, 16, Spread(), Spread.of(waits), 0)
    return seam_message(reading, worker)


def test_the_verdict_of_a_run_that_goes_on() -> None:
    """Blame, workers and cores from the messages; what nobody caused blames nobody."""
    verdict = verdict_of(PROGRESS, [seam("a", 3), seam("b", 1), seam("", 9, name="merge")])
    assert (verdict.blame, verdict.workers, verdict.load) == ("wire", 4, Load(0.3, 0.1))
    assert rates_of(PROGRESS, [seam("a", 3)]).with_workers(1) == 600.0


def test_workers_share_a_rate_by_their_batches() -> None:
    """Three of four batches are three quarters of the rate; the wafer's seams are no workers."""
    seams = [seam("a", 2), seam("a", 1), seam("b", 1), seam("b", 50, name="wire"), seam("", 9, name="merge")]
    assert worker_rates(100.0, seams) == {"a": 75.0, "b": 25.0}
    assert worker_rates(100.0, []) == {}


def test_seams_have_quantiles_over_all_workers() -> None:
    """One worker that waits and one that does not: the median is between them."""
    figures = seam_figures([seam("a", 2, 0.0, 0.0), seam("b", 2, 1.0, 1.0)])["prefetch"]
    assert figures["items"] == 4
    assert figures["bytes"] is None
    assert figures["get_wait"]["total"] == 2.0
    assert figures["get_wait"]["p50"] == 0.0
    assert 1.0 <= figures["get_wait"]["p95"] <= figures["get_wait"]["p99"] <= 1.25


def test_machines_are_told_by_their_cores() -> None:
    """How many, and the share of the time they were busy; a machine without a measured time was idle."""
    assert core_figures(PROGRESS.cores) == [
        {"cores": 2, "busy": 0.3, "ours": 0.1},
        {"cores": 4, "busy": 0.05, "ours": 0.0},
    ]
    assert core_figures([run_pb2.Cores(cores=2)]) == [{"cores": 2, "busy": 0.0, "ours": 0.0}]


def test_a_timeline_is_rates_and_shares() -> None:
    """Of each interval its end, its rate and the share of it that was stall; one without length is left out."""
    intervals = [
        run_pb2.Interval(seconds=2.0, samples=100, stall_seconds=0.5),
        run_pb2.Interval(seconds=2.0, samples=1, stall_seconds=0.0),
        run_pb2.Interval(seconds=3.0, samples=10, stall_seconds=1.5),
    ]
    assert timeline_figures(intervals) == {
        "seconds": [2.0, 3.0],
        "samples_per_second": [50.0, 10.0],
        "stall_fraction": [0.25, 1.0],
    }
