"""The arithmetic of keeping up: who is the limit, what more workers would bring, where an epoch's time goes."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wafer_sim.verdict import Rates, judge, split
from wire.core_use import Load

RATE = st.floats(1.0, 1e7)
SHARE = st.floats(0.01, 1.0)
LOADS = st.tuples(st.floats(0.0, 1.0), st.floats(0.0, 1.0)).map(lambda shares: Load(max(shares), min(shares)))


def test_where_cores_are_full_no_workers_are_recommended() -> None:
    """More workers would take the cores from each other; the sentence says so."""
    verdict = judge(0.5, {"prepare": 3.0}, 2, Load(0.97, 0.9))
    assert (verdict.cores_limit, verdict.workers) == (True, None)
    assert "the cores are the limit, not the workers" in verdict.sentence
    assert "busy 97% of the time" in verdict.sentence
    assert not judge(0.95, {}, 2, Load(1.0, 1.0)).cores_limit


def test_workers_that_would_fill_the_cores_need_more_of_these() -> None:
    """Two workers take 60 % of the cores at half of what is wanted: four would need 120 %."""
    verdict = judge(0.5, {"prepare": 3.0}, 2, Load(0.6, 0.6))
    assert verdict.workers == 4
    assert "about 4 workers would be enough, on more cores than these" in verdict.sentence
    assert "full at 83% of what the wafer takes" in verdict.sentence
    assert "cores" not in judge(0.5, {"prepare": 3.0}, 2, Load(0.4, 0.4)).sentence


def test_cores_that_others_fill_are_not_the_limit() -> None:
    """A run that needs few of them gets them when it asks; the sentence says that it was measured beside others."""
    verdict = judge(0.25, {"prepare": 3.0}, 1, Load(1.0, 0.1))
    assert (verdict.cores_limit, verdict.workers) == (False, 4)
    assert verdict.sentence.endswith("about 4 workers would be enough (other programs kept the cores busy)")


def test_each_worker_brings_what_each_brought() -> None:
    """One worker's 1,000 samples/s become 2,000 and 3,000, and no more than the wafer takes."""
    rates = Rates.of(1_000.0, utilisation=0.4, workers=1)
    assert [rates.with_workers(workers) for workers in (1, 2, 3)] == [1_000.0, 2_000.0, 2_500.0]


def test_full_cores_bound_the_rate() -> None:
    """At 80 % of the cores the rate can grow by a quarter, whatever the number of workers."""
    rates = Rates.of(1_000.0, utilisation=0.1, workers=1, load=Load(0.8, 0.8))
    assert rates.with_workers(1) == 1_000.0
    assert rates.with_workers(9) == 1_250.0


@given(RATE, SHARE, st.integers(1, 50), LOADS)
def test_the_workers_that_are_recommended_bring_what_the_wafer_takes(
    rate: float, utilisation: float, workers: int, load: Load
) -> None:
    """The sentence and the prediction are of one mind, and one worker less would not do."""
    enough = judge(utilisation, {}, workers, load).workers
    rates = Rates.of(rate, utilisation, workers)
    if enough is not None:
        assert rates.with_workers(enough) == pytest.approx(rates.takes)
        assert rates.with_workers(enough - 1) < rates.takes * (1 + 1e-9)
    assert Rates.of(rate, utilisation, workers, load).with_workers(workers) == pytest.approx(rate)


def test_nothing_is_predicted_of_nothing() -> None:
    """A run without workers, or one that never had a batch."""
    assert Rates.of(0.0, 0.0, 0).with_workers(3) == 0.0
    assert Rates.of(0.0, 0.0, 2).takes == math.inf


def test_three_runs_split_the_time() -> None:
    """1,000 synthetic, 500 warm, 250 cold: a quarter computing, a quarter preparing, half fetching."""
    found = split(1_000.0, 500.0, 250.0)
    assert (found.compute, found.prep, found.fetch, found.headroom) == (0.25, 0.25, 0.5, 2.0)


@given(RATE, RATE, RATE)
def test_the_parts_of_the_time_are_all_of_it(synthetic: float, warm: float, cold: float) -> None:
    """Whatever was measured, noise included: none is negative, and they add up to 1."""
    found = split(synthetic, warm, cold)
    assert found.compute + found.prep + found.fetch == pytest.approx(1.0)
    assert min(found.compute, found.prep, found.fetch) >= -1e-12


def test_a_rate_of_nothing_splits_nothing() -> None:
    """It is refused."""
    with pytest.raises(ValueError, match="above 0"):
        split(1.0, 0.0, 1.0)
