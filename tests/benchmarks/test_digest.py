"""The digest by which two systems are seen to have delivered the same samples."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.peers.digest import Digest

PIXELS = np.arange(24, dtype=np.float32).reshape(6, 4)
LABELS = np.arange(6, dtype=np.int32)


def digest_of(*batches: list[int]) -> Digest:
    digest = Digest()
    for rows in batches:
        digest = digest.with_batch((PIXELS[rows], LABELS[rows]))
    return digest


@given(st.permutations(range(6)), st.integers(0, 6))
def test_order_and_batches_do_not_count(order: list[int], cut: int) -> None:
    """The same samples in another order, in other batches, are the same."""
    assert digest_of(order[:cut], order[cut:]) == digest_of([0, 1, 2, 3, 4, 5])


@pytest.mark.parametrize("rows", [[0, 1, 2, 3, 4], [0, 1, 2, 3, 4, 4], [0, 1, 2, 3, 4, 5, 5]])
def test_a_sample_missing_or_twice_counts(rows: list[int]) -> None:
    """Also where the number of samples is right."""
    assert digest_of(rows) != digest_of([0, 1, 2, 3, 4, 5])


def test_a_bit_of_a_value_counts() -> None:
    """A value that was rounded otherwise is another sample."""
    other = PIXELS.copy()
    other[3, 1] = np.nextafter(other[3, 1], np.float32(np.inf))
    assert Digest().with_batch((other, LABELS)) != Digest().with_batch((PIXELS, LABELS))


def test_a_label_belongs_to_its_sample() -> None:
    """The same pixels and the same labels, otherwise paired, are other samples."""
    assert Digest().with_batch((PIXELS, LABELS[::-1])) != Digest().with_batch((PIXELS, LABELS))


def test_the_shape_of_a_sample_does_not_count_its_dtype_does() -> None:
    """(28, 28) and (784,) are the same bytes to a model; float64 is none of the same work."""
    assert Digest().with_batch((PIXELS.reshape(6, 2, 2), LABELS)) == Digest().with_batch((PIXELS, LABELS))
    assert Digest().with_batch((PIXELS.astype(np.float64), LABELS)) != Digest().with_batch((PIXELS, LABELS))
