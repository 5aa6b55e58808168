"""Marking rows: each counts the first time it comes, however large the source is."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wafer_sim import bitmap
from wafer_sim.bitmap import mark, unmarked


@pytest.mark.parametrize("spread", [bitmap.SPREAD_BYTES, 0], ids=["spread out", "what is touched"])
@given(parts=st.lists(st.lists(st.integers(0, 99), min_size=1, max_size=30), max_size=6))
def test_a_row_is_fresh_once(parts: list[list[int]], spread: int) -> None:
    """Parts in any order and with repetitions: what is fresh is what a set would not have had; the bits are the set."""
    came, bits = set[int](), unmarked(100)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bitmap, "SPREAD_BYTES", spread)
        for part in parts:
            assert mark(bits, np.array(part, np.int64)) == len(set(part) - came)
            came |= set(part)
    assert np.flatnonzero(np.unpackbits(bits, bitorder="little")).tolist() == sorted(came)
