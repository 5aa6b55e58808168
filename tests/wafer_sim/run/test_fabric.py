"""An emulated accelerator keeps its rate, and leaves when it is told to."""

from __future__ import annotations

import math
import threading
import time

from wafer_sim.ledger import Taken
from wafer_sim.run.fabric import Drain
from wafer_sim.run.feed import StepInput
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
