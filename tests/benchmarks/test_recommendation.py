"""The arithmetic of the benchmark that checks predictions, and its load model."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from benchmarks.recommendation import TAKES, misses_of
from benchmarks.sweep import BATCHES, LEAST, MOST, SAMPLES, steps_of


def performance(rate: float, workers: int, busy: float = 0.2) -> dict[str, Any]:
    return {
        "samples_per_sec": rate,
        "accelerator_utilization": rate / TAKES,
        "workers": workers,
        "machines": [{"busy": busy, "ours": busy}, {"busy": 0.1, "ours": 0.1}],
    }


def test_a_prediction_that_is_right_has_no_miss() -> None:
    """Workers that bring the same each: every pair of runs predicts the other."""
    runs = {workers: performance(1_000.0 * workers, workers) for workers in (1, 2, 3)}
    misses = misses_of(runs)
    assert len(misses) == 6
    assert [miss for _, _, miss in misses] == pytest.approx([0.0] * 6)


def test_a_third_worker_that_brings_nothing_is_a_miss() -> None:
    """Predicted from two it is half as much again as was measured."""
    runs = {1: performance(1_000.0, 1), 2: performance(2_000.0, 2), 3: performance(2_000.0, 3)}
    found = {(of, to): miss for of, to, miss in misses_of(runs)}
    assert found[2, 3] == pytest.approx(0.5)
    assert found[1, 2] == pytest.approx(0.0)


def test_cores_that_are_full_predict_no_more() -> None:
    """The busiest machine counts: the run on it has filled it."""
    runs = {workers: performance(1_000.0, workers, busy=0.95) for workers in (1, 2, 3)}
    found = {(of, to): miss for of, to, miss in misses_of(runs)}
    assert found[1, 3] == pytest.approx(0.0)


def test_the_device_serves_one_after_the_other() -> None:
    """Ten requests at once take ten times as long as one: its rate does not depend on who asks."""
    from benchmarks.thinking.data import Device  # it loads torch

    device, begun = Device(0.01), time.monotonic()
    callers = [threading.Thread(target=device.serve) for _ in range(10)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert time.monotonic() - begun >= 0.1


def test_every_run_of_a_sweep_can_be_measured() -> None:
    """Neither endless nor over at once, whatever the sizes are."""
    steps = [steps_of(batch, sample) for batch in BATCHES for sample in SAMPLES]
    assert min(steps) >= LEAST
    assert max(steps) <= MOST
