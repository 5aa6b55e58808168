"""How waits are spread: buckets, quantiles, merging."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wire.spread import BUCKETS, Spread, SpreadRecorder, bound_of, bucket_of

WAITS = st.lists(st.floats(0.0, 5_000.0), max_size=30)
SPREADS = WAITS.map(Spread.of)


@given(st.floats(0.0, 1e6))
def test_a_wait_falls_into_the_bucket_that_ends_above_it(seconds: float) -> None:
    """Below its bucket's end and not below the end of the bucket before."""
    bucket = bucket_of(seconds)
    assert 0 <= bucket < BUCKETS
    assert seconds < bound_of(bucket) * (1 + 1e-12)
    assert bucket == 0 or seconds >= bound_of(bucket - 1) * (1 - 1e-12)


def test_a_bucket_is_a_quarter_of_a_doubling_wide() -> None:
    """Ends rise by 25 % at most, from a microsecond to 18 minutes; the last bucket has no end."""
    ends = [bound_of(bucket) for bucket in range(BUCKETS - 1)]
    assert (ends[0], ends[-1]) == pytest.approx((1e-6, 1e-6 * 2**30))
    assert all(1.1 < high / low <= 1.25 for low, high in pairwise(ends))
    assert math.isinf(bound_of(BUCKETS - 1))


@given(SPREADS, SPREADS, SPREADS)
def test_merging_is_associative_and_commutative(a: Spread, b: Spread, c: Spread) -> None:
    """In whatever order the readings of workers come together, the sum is the same, to the last count."""
    assert (a + b) + c == a + (b + c)
    assert a + b == b + a
    assert a + Spread() == a


@given(WAITS, WAITS)
def test_merged_spreads_are_the_spread_of_all_waits(one: list[float], other: list[float]) -> None:
    """Nothing is lost by measuring in two places."""
    assert Spread.of(one) + Spread.of(other) == Spread.of(one + other)


@given(st.lists(st.floats(2e-6, 900.0), min_size=1, max_size=50), st.floats(0.01, 1.0))
def test_a_quantile_is_at_most_a_quarter_too_high(waits: list[float], share: float) -> None:
    """It is never below the exact one."""
    exact = sorted(waits)[math.ceil(share * len(waits)) - 1]
    assert exact * (1 - 1e-9) <= Spread.of(waits).quantile(share) <= exact * 1.25 * (1 + 1e-9)


def test_what_did_not_wait_is_counted_without_being_added() -> None:
    """Ninety items that passed at once and ten that waited a second: the median is none, the p95 a second."""
    recorder = SpreadRecorder()
    for _ in range(10):
        recorder.add(1.0)
    spread = recorder.reading(more=90)
    assert spread.total == 100
    assert spread.quantile(0.5) == 0.0
    assert 1.0 <= spread.quantile(0.95) <= 1.25


def test_no_waits_have_no_quantile_above_nothing() -> None:
    """An empty spread says 0, and one beyond the last bucket a number that JSON can carry."""
    assert Spread().quantile(0.99) == 0.0
    assert math.isfinite(Spread.of([1e9]).quantile(0.99))


def test_counts_below_a_bound_are_exact() -> None:
    """Coarser buckets are sums of whole fine ones."""
    spread = Spread.of([0.0, 1e-6, 3e-6, 1.0])
    bounds = [bucket_of(0.0), bucket_of(3e-6), BUCKETS - 1]
    assert [count for _, count in spread.up_to(bounds)] == [1, 3, 4]
