"""The figures of a run add up."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from tests.wafer_sim.run.conftest import ROWS, Bench, batch_of
from wafer_sim.figures import timeline_figures
from wafer_sim.run.feed import AHEAD_STEPS
from wire.readings import by_name
from wire.v1 import run_pb2

STEP, STEPS = 0.006, 50
"""Seconds of an emulated accelerator's step, and how many it takes; a batch takes twice as long in each stream."""
TRIES = 8


def slow(stream: int, sequence: int) -> dict[str, Any]:
    """A load model: a source that takes its time for each batch."""
    threading.Event().wait(4 * STEP)
    return batch_of(stream, sequence)


@pytest.fixture
def finished(bench: Bench) -> run_pb2.Finished:
    return bench.live(batch=slow, fabric=run_pb2.FABRIC_DRAIN, drain_rate=ROWS / STEP, max_steps=STEPS)


def adds_up(finished: run_pb2.Finished) -> bool:
    """Whether stall and work, each measured for itself, are the time within 1 %, or within 5 microseconds a step."""
    progress = finished.progress
    return progress.stall_seconds + progress.busy_seconds == pytest.approx(
        progress.seconds, rel=0.01, abs=5e-6 * progress.step
    )


def is_work(finished: run_pb2.Finished) -> bool:
    """Whether the utilisation is the part of the time that was work."""
    progress = finished.progress
    return progress.utilisation == pytest.approx(progress.busy_seconds / progress.seconds, abs=0.01)


def test_stall_and_work_make_up_the_time(bench: Bench) -> None:
    """Together they are the time, and the utilisation is the part of it that was work, in one of some runs.

    A pause of this process between two readings of the clock is in neither.
    """
    runs = (
        bench.live(batch=slow, fabric=run_pb2.FABRIC_DRAIN, drain_rate=ROWS / STEP, max_steps=STEPS)
        for _ in range(TRIES)
    )
    assert any(adds_up(run) and is_work(run) for run in runs)


def test_the_seams_have_the_whole_stall(finished: run_pb2.Finished) -> None:
    """In a run that both works and waits, what the seams are blamed for is all of the stall."""
    progress = finished.progress
    assert progress.stall_seconds > 0.2 * progress.seconds
    assert progress.busy_seconds > 0.2 * progress.seconds
    assert sum(stall.seconds for stall in progress.stalls) == pytest.approx(progress.stall_seconds)


def test_the_timeline_and_the_seams_tell_the_same_run(finished: run_pb2.Finished) -> None:
    """Samples of the intervals are those of the run; the wafer's seam had every batch, and the replica waited at it."""
    assert sum(interval.samples for interval in finished.timeline) == finished.progress.samples == STEPS * ROWS
    assert max(timeline_figures(finished.timeline)["stall_fraction"]) > 0.2
    seam = by_name(finished.seams)["merge"]
    assert STEPS <= seam.get_waits.total <= STEPS + AHEAD_STEPS
    assert seam.get_waits.quantile(0.95) > STEP / 2
    assert seam.put_waits.total == seam.items >= STEPS
    assert seam.bytes >= 100 * STEPS


def test_the_processors_of_the_machine_are_told(finished: run_pb2.Finished) -> None:
    """The wafer's own machine, over the time that was measured, is never busier than it has cores."""
    (own,) = finished.progress.cores
    assert own.cores >= 1
    assert 0.0 <= own.busy_seconds <= 1.1 * own.cores * own.seconds + 0.1


def test_short_steps_add_up_too(bench: Bench) -> None:
    """What is told of a step is part of the time that is not stall, where the steps themselves take hardly any."""
    runs = (bench.live(fabric=run_pb2.FABRIC_DRAIN, max_steps=400, log_steps=1) for _ in range(TRIES))
    assert any(map(adds_up, runs))
