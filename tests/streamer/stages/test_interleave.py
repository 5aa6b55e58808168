"""Interleave as arithmetic against tf.data's own loop, written out."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.stages.interleave import Interleaved


def _as_tf_data(lengths, cycle_length, block_length):
    """The loop of tf.data's InterleaveDataset: open on visit, move on at the end of a block or of a file."""
    ends = np.cumsum(lengths)
    files = iter([iter(range(end - length, end)) for end, length in zip(ends, lengths, strict=True)])
    slots, out, slot, read, ended = [None] * cycle_length, [], 0, 0, False
    while not ended or any(file is not None for file in slots):
        if slots[slot] is None and not ended:
            slots[slot] = next(files, None)
            ended = slots[slot] is None
            continue
        row = next(slots[slot], None) if slots[slot] is not None else None
        if row is None:
            slots[slot] = None
        else:
            out.append(row)
            read += 1
        if row is None or read == block_length:
            slot, read = (slot + 1) % cycle_length, 0
    return out


@given(st.lists(st.integers(0, 13), min_size=1, max_size=8), st.integers(1, 5), st.integers(1, 4))
def test_same_order_as_tf_data(lengths, cycle_length, block_length):
    """Every row comes where tf.data's interleave puts it, whatever the files, the cycle and the block."""
    order = Interleaved(lengths, cycle_length, block_length)
    assert order.rows(0, 0, len(order)).tolist() == _as_tf_data(lengths, cycle_length, block_length)


def test_any_part_of_the_order():
    """A slice of the order, and single positions in any order, agree with the whole."""
    order = Interleaved([7, 100, 3, 50], 2, 4)
    whole = order.rows(0, 0, 160)
    assert order.rows(5, 33, 90).tolist() == whole[33:90].tolist()
    assert order.at(0, np.array([150, 0, 77])).tolist() == whole[[150, 0, 77]].tolist()


def test_state_does_not_grow_with_rows():
    """A billion rows in a few files take a few numbers."""
    order = Interleaved([10**9, 10**9 + 5, 3], 2, 1)
    assert len(order._bases) < 20
    assert order.rows(0, 10**9, 10**9 + 2).tolist() == [5 * 10**8, 10**9 + 5 * 10**8]


@pytest.mark.parametrize(("cycle_length", "block_length"), [(0, 1), (1, 0)])
def test_refuses_empty_cycles(cycle_length, block_length):
    """A cycle or block of nothing is a mistake."""
    with pytest.raises(ValueError, match="1 or more"):
        Interleaved([3], cycle_length, block_length)
