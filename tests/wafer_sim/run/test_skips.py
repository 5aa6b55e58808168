"""Which steps of the input are passed over."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wafer_sim.run.skips import Skips
from wire.errors import InvalidInput

RANGES = st.lists(st.tuples(st.integers(1, 40), st.integers(0, 10)).map(lambda r: (r[0], r[0] + r[1])), max_size=6)


@given(RANGES)
def test_a_step_is_passed_over_if_a_range_holds_it(ranges: list[tuple[int, int]]) -> None:
    """Both ends included, in whatever order ranges come; the range said is the whole stretch without a gap."""
    skips = Skips(ranges)
    passed = {step for first, last in ranges for step in range(first, last + 1)}
    for step in range(1, 60):
        around = skips.around(step)
        assert (around is not None) == (step in passed)
        if around is not None:
            first, last = around
            assert set(range(first, last + 1)) <= passed
            assert not {first - 1, last + 1} & passed


@pytest.mark.parametrize("given_range", [(0, 3), (5, 4)])
def test_a_range_that_is_none_is_an_error(given_range: tuple[int, int]) -> None:
    """The first step is 1, and no range ends before it begins."""
    with pytest.raises(InvalidInput, match=r"input steps .* cannot be passed over"):
        Skips([given_range])
