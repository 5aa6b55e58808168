"""Digests: equal for equal batches, however they lie in memory; different where anything differs."""

import numpy as np
import pytest

from streamer.digests import rows_digest, values_digest
from wire.elements import Ragged
from wire.history import digest_of

OFFSETS = np.array([0, 2, 3])


def test_the_digest_of_rows_is_that_of_their_bytes():
    """int64, little-endian, in the order of the batch; a view on other rows counts as what it shows."""
    rows = np.arange(10)
    assert rows_digest(rows[2:5]) == digest_of(rows[2:5].astype("<i8").tobytes())
    assert rows_digest(rows[::2]) == rows_digest(rows[::2].copy())
    assert rows_digest(rows[::-1]) != rows_digest(rows)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (np.zeros(3, np.float32), np.array([0, 0, 1e-30], np.float32)),
        (np.array(["ab", "c"], object), np.array(["a", "bc"], object)),
        (np.array(["é", ""], object), np.array(["", "é"], object)),
        (Ragged(np.arange(3), OFFSETS), Ragged(np.arange(3), np.array([0, 1, 3]))),
        (Ragged(np.array(["a", "b", "c"], object), OFFSETS), Ragged(np.array(["a", "b", "d"], object), OFFSETS)),
        (np.array([True]), np.array([False])),
    ],
)
def test_values_that_differ(one, other):
    """Numbers, texts and lists: another value, and another border between the same values."""
    assert values_digest({"x": one}) != values_digest({"x": other})
    assert values_digest({"x": one}) == values_digest({"x": one})


def test_memory_layout_does_not_count():
    """A transposed or strided view is the batch that it shows."""
    whole = np.arange(12, dtype=np.float16).reshape(3, 4)
    assert values_digest({"x": whole.T}) == values_digest({"x": whole.T.copy()})
    assert values_digest({"x": whole[:, ::2]}) == values_digest({"x": whole[:, ::2].copy()})
    assert values_digest({"x": whole[:0]}) == values_digest({"x": np.empty((0, 4), np.float16)})
