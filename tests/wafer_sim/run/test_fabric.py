"""An emulated accelerator keeps its rate, and leaves when it is told to."""

from __future__ import annotations

import math
import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest

from wafer_sim.ledger import Taken
from wafer_sim.replicas import Replicas
from wafer_sim.run import fabric
from wafer_sim.run.fabric import Compute, Drain
from wafer_sim.run.feed import StepInput
from wafer_sim.runtime.protocol import Gradients
from wire.cursor import Cursor


def batch(rows: int, came: float = 0.0) -> StepInput:
    return StepInput(((),), (Taken(Cursor(0), Cursor(0, 0, 1), rows),), 2 * came, came)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time that a fabric reads, which passes when it waits."""
    now = [100.0]
    monkeypatch.setattr(fabric, "time", SimpleNamespace(perf_counter=lambda: now[0]))
    return now


class Told:
    """Nobody is told to stop; whoever waits wakes so much too late."""

    def __init__(self, now: list[float], late: float = 0.0) -> None:
        self.now, self.late = now, late

    def wait(self, seconds: float) -> bool:
        self.now[0] += seconds + self.late
        return False


def test_a_timer_that_wakes_late_makes_no_step_slower(clock: list[float]) -> None:
    """A hundred steps of 10 ms each take a second, although each timer is 3 ms late; none of it is a stall."""
    drain = Drain(1000.0, Told(clock, 0.003))
    stalls = []
    for step in range(100):
        drain.step(batch(10), step)
        stalls.append(drain.stall(batch(10)))
    assert clock[0] - 100.0 == pytest.approx(1.003)
    assert sum(stalls) == pytest.approx(0.0)


def test_a_batch_that_comes_late_is_a_stall(clock: list[float]) -> None:
    """For as long as it was waited for; to land it was part of the wait, and none of the stall."""
    drain = Drain(1000.0, Told(clock))
    drain.step(batch(10), 0)
    clock[0] += 0.004 + 0.004
    late = batch(10, came=0.004)
    drain.step(late, 1)
    assert drain.stall(late) == pytest.approx(0.004)
    assert clock[0] == pytest.approx(100.0 + 0.010 + 0.004 + 0.010)
    assert Drain(0.0, Told(clock)).stall(late) == late.wait


def test_a_process_that_cannot_keep_the_rate_has_stalls(clock: list[float]) -> None:
    """It makes up for 5 of its 15 ms and no more: what it reaches is what its utilisation says."""
    drain, stalled = Drain(1000.0, Told(clock)), 0.0
    for step in range(100):
        drain.step(batch(10), step)
        stalled += drain.stall(batch(10))
        clock[0] += 0.015
    assert clock[0] - 100.0 == pytest.approx(2.0, abs=0.02)
    assert stalled == pytest.approx(1.0, abs=0.02)


def test_what_can_be_done_meanwhile_is_done(clock: list[float]) -> None:
    """A little at a time until the step is done or nothing is left, and only then is time passed."""
    done: list[float] = []

    def meanwhile() -> bool:
        clock[0] += 0.002
        done.append(clock[0])
        return len(done) % 4 > 0

    Drain(1000.0, Told(clock), meanwhile).step(batch(10), 0)
    assert len(done) == 4
    assert clock[0] == pytest.approx(100.010)


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
