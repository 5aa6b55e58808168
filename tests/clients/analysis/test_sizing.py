"""Where a pipeline is slow, and how many workers are enough."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clients.analysis.sizing import CONSUMER, PIPELINE, SENDING, Needed, scales, shares, waits
from wire.v1 import run_pb2


def test_each_wait_belongs_to_what_was_waited_for() -> None:
    """Over all streams: for batches, to be rid of them, for credit; the wafer's own seams do not count."""
    seams = [
        run_pb2.Seam(name="prefetch", get_wait=1.0, put_wait=9.0),
        run_pb2.Seam(name="prefetch", get_wait=2.0, stream=1),
        run_pb2.Seam(name="wire", put_wait=0.5, get_wait=0.25),
        run_pb2.Seam(name="merge", get_wait=100.0),
    ]
    assert waits(seams) == {PIPELINE: 3.0, SENDING: 0.5, CONSUMER: 0.25}


def test_parts_are_of_the_whole() -> None:
    """They add up to 1, or to 0 where nobody waited."""
    assert shares({PIPELINE: 3.0, SENDING: 1.0, CONSUMER: 0.0}) == {PIPELINE: 0.75, SENDING: 0.25, CONSUMER: 0.0}
    assert set(shares(waits([])).values()) == {0.0}


@given(rate=st.floats(1, 1e9), one=st.floats(1, 1e7))
def test_so_many_workers_are_enough_and_one_less_is_not(rate: float, one: float) -> None:
    """If each brings what one does alone."""
    workers = Needed.of(rate, one, 2 * one).workers
    assert workers * one >= rate * (1 - 1e-9)
    assert workers == 1 or (workers - 1) * one < rate


@pytest.mark.parametrize(
    ("rate", "two", "cores"), [(300.0, 110.0, True), (300.0, 195.0, False), (90.0, 90.0, False), (105.0, 110.0, False)]
)
def test_cores_are_blamed_where_a_second_worker_brings_too_little(rate: float, two: float, cores: bool) -> None:
    """And only where the rate is beyond what was measured here."""
    needed = Needed.of(rate, 100.0, two)
    assert needed.cores is cores
    assert ("cores, not workers" in needed.sentence(rate)) is cores


def test_a_second_worker_scales_from_four_fifths_on() -> None:
    """Twice the rate is what it could bring at most."""
    assert scales(100.0, 160.0)
    assert not scales(100.0, 159.0)


def test_one_worker_is_one() -> None:
    """The sentence is English."""
    assert Needed.of(50.0, 100.0, 200.0).sentence(50.0) == "1 worker is enough for 50 samples/s."
    assert Needed.of(150.0, 100.0, 200.0).sentence(150.0) == "2 workers are enough for 150 samples/s."
