"""The closed forms against simulations of the same machines, event by event."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.wafer_sim.fabric.works import chain, works
from wafer_sim.fabric.estimate import estimate
from wafer_sim.fabric.machine import load
from wafer_sim.fabric.published import FC_MNIST_TF
from wafer_sim.fabric.result import WEIGHT_STREAMING, Estimate
from wafer_sim.fabric.simulation import simulate_pipeline, simulate_streaming
from wafer_sim.fabric.streaming import Turn, batch_cycles, parts_of, turns
from wafer_sim.fabric.work import TRAINING, Work
from wire.errors import Exhausted

SMALL = load("small")
CLOSE = 0.02


def found(work: Work) -> Estimate | None:
    """The pipeline's estimate, None where it does not fit."""
    try:
        return estimate(work, SMALL)
    except Exhausted:
        return None


@settings(max_examples=50, deadline=None)
@given(works())
def test_a_batch_takes_as_long_as_events_say(work: Work) -> None:
    """On random pipelines, the closed form of a batch is within 2 % of the simulation."""
    closed = found(work)
    assume(closed is not None and work.mode == TRAINING)
    assert closed is not None
    simulated = simulate_pipeline(work, closed)
    assert abs(simulated.cycles / closed.batch.cycles - 1) < CLOSE


@settings(max_examples=50, deadline=None)
@given(works())
def test_no_kernel_holds_more_samples_than_it_was_given_memory_for(work: Work) -> None:
    """The samples in flight that memory was planned for are enough in the simulation."""
    closed = found(work)
    assume(closed is not None and work.mode == TRAINING)
    assert closed is not None
    planned = [kernel.in_flight for kernel in closed.kernels]
    simulated = simulate_pipeline(work, closed).in_flight
    assert all(held <= room for held, room in zip(simulated, planned, strict=True))


def test_fc_mnist_takes_as_long_as_events_say() -> None:
    """The reference model on the real machine, sample by sample."""
    closed = estimate(FC_MNIST_TF, load())
    assert abs(simulate_pipeline(FC_MNIST_TF, closed).cycles / closed.batch.cycles - 1) < CLOSE


def test_a_quicker_pace_than_the_slowest_kernel_is_noticed() -> None:
    """The simulation is no copy of the closed form: samples let in too quickly queue up before the slowest kernel."""
    work = chain(3, batch_size=96)
    closed = estimate(work, SMALL)
    hasty = replace(closed, batch=replace(closed.batch, interval=closed.batch.interval / 2))
    simulated = simulate_pipeline(work, hasty)
    assert simulated.cycles >= 96 * max(kernel.cycles for kernel in closed.kernels)
    assert max(simulated.in_flight) > 2 * max(kernel.in_flight for kernel in closed.kernels)


times = st.floats(0, 100).map(lambda value: round(value, 3))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.builds(Turn, times, times, times), min_size=1, max_size=30))
def test_weight_streaming_takes_as_long_as_events_say(taken: list[Turn]) -> None:
    """Whatever comes, works and goes: the recurrence gives what the simulation gives."""
    assert abs(batch_cycles(taken) - simulate_streaming(taken)) < 1e-6


def test_weight_streaming_of_a_work_takes_as_long_as_events_say() -> None:
    """The turns of a real work, in parts."""
    work = chain(6, batch_size=64)
    closed = estimate(work, SMALL, strategy=WEIGHT_STREAMING)
    parts, samples = parts_of(work, SMALL)
    assert abs(simulate_streaming(turns(work, SMALL, samples, parts)) / closed.batch.cycles - 1) < CLOSE
