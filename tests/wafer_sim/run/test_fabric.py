"""An emulated accelerator keeps its rate, and leaves when it is told to."""

from __future__ import annotations

import math
import threading
import time

import numpy as np
import pytest

from wafer_sim.ledger import Taken
from wafer_sim.replicas import Replicas
from wafer_sim.run.fabric import Compute, Drain
from wafer_sim.run.feed import StepInput
from wafer_sim.runtime.protocol import Gradients
from wire.cursor import Cursor


def batch(rows: int) -> StepInput:
    return StepInput(((),), (Taken(Cursor(0), Cursor(0, 0, 1), rows),), 0.0)


def test_it_takes_no_more_than_its_rate() -> None:
    """Five steps of 10 samples at 1,000 a second take 50 ms; there is no loss."""
    drain = Drain(1000.0, threading.Event())
    begun = time.perf_counter()
    losses = [drain.step(batch(10), step) for step in range(5)]
    assert time.perf_counter() - begun >= 0.05
    assert all(map(math.isnan, losses))


def test_a_slow_one_does_not_hold_up_who_leaves() -> None:
    """A step that would take hours ends when the run is told to stop."""
    told = threading.Event()
    step = threading.Thread(target=Drain(0.001, told).step, args=(batch(100), 0), daemon=True)
    step.start()
    told.set()
    step.join(10)
    assert not step.is_alive()


class Counting:
    """An executor whose only weight is the number of its updates."""

    updates = 0

    def gradients(self, batch, *, seed, step, replica):
        return Gradients(1.0, [np.zeros(1)])

    def observe(self, batch, reduced, *, seed, step, replica):
        return {"updates": np.array(self.updates)}

    def apply(self, reduced, step):
        self.updates += 1


@pytest.mark.parametrize(("every", "expected"), [(2, [(2, 1), (4, 3)]), (0, [])])
def test_what_a_program_lets_be_seen_is_told_every_so_many_steps(every: int, expected: list[tuple[int, int]]) -> None:
    """With the number of the step, and as it was just before its update."""
    told: list[tuple[int, int]] = []
    with Replicas(Counting(), 1) as replicas:
        compute = Compute(replicas, check=True, every=every, tell=lambda s, v: told.append((s, int(v["updates"]))))
        for step in range(5):
            compute.step(batch(4), step)
    assert told == expected
