"""How long a stream may keep a step waiting: generous at first, then by what is usual."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from wafer_sim.ingest.patience import FIRST_SECONDS, LEAST_SECONDS, TIMES_USUAL, Patience


def test_a_host_that_has_given_nothing_has_the_longer_bound() -> None:
    """Three seconds until its first batch, one second from then on where batches are there at once."""
    patience = Patience(300.0)
    patience.hosted(1)
    assert patience.bound == FIRST_SECONDS
    patience.gave(1, 0.0)
    assert patience.bound == LEAST_SECONDS


def test_a_slow_stream_gets_the_time_that_it_usually_takes() -> None:
    """A stream whose batches keep a step waiting for 2 s is late after 16 s only, under its next host too."""
    patience = Patience(300.0)
    for _ in range(10):
        patience.gave(1, 2.0)
    assert patience.bound == 2.0 * TIMES_USUAL
    patience.hosted(2)
    assert patience.bound == 2.0 * TIMES_USUAL


def test_the_second_batch_of_a_slow_stream_is_not_late_at_once() -> None:
    """One wait is enough to know that a second is nothing for this stream."""
    patience = Patience(300.0)
    patience.gave(1, 2.5)
    assert patience.bound == 2.5 * TIMES_USUAL


def test_three_odd_waits_of_the_last_thirty_two_do_not_count() -> None:
    """Outliers do not make it patient; a wait that comes back again and again does; old ones are forgotten."""
    patience = Patience(300.0)
    for wait in [0.0] * 29 + [50.0] * 3:
        patience.gave(1, wait)
    assert patience.bound == LEAST_SECONDS
    patience.gave(1, 50.0)
    assert patience.bound == 300.0
    for _ in range(32):
        patience.gave(1, 0.01)
    assert patience.bound == LEAST_SECONDS


def test_each_host_that_gives_nothing_doubles_the_bound() -> None:
    """So a stream whose replay takes long is not moved for ever; a batch ends it, and no bound passes `most`."""
    patience = Patience(20.0)
    bounds = []
    for host in range(1, 6):
        assert patience.hosted(host)
        bounds.append(patience.bound)
    assert bounds == [3.0, 6.0, 12.0, 20.0, 20.0]
    patience.gave(5, 0.0)
    assert patience.bound == LEAST_SECONDS
    patience.hosted(6)
    assert patience.bound == FIRST_SECONDS


def test_the_same_host_again_is_no_news() -> None:
    """Neither is one of before, whose batches are still being taken: it gives the newer one no credit."""
    patience = Patience(300.0)
    assert patience.hosted(2)
    assert not patience.hosted(2)
    assert not patience.hosted(1)
    patience.gave(1, 0.0)
    assert patience.bound == FIRST_SECONDS


@given(st.lists(st.tuples(st.integers(1, 8), st.floats(0.0, 1e4)), max_size=60), st.floats(1.0, 1e4))
def test_no_bound_is_below_the_least_or_beyond_the_most(waits: list[tuple[int, float]], most: float) -> None:
    """Whatever the hosts did."""
    patience = Patience(most)
    for host, wait in waits:
        patience.hosted(host)
        patience.gave(host, wait)
        assert LEAST_SECONDS <= patience.bound <= max(LEAST_SECONDS, most)
