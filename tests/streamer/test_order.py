"""The keyed permutation: a permutation, a fair shuffle, quick, and the same everywhere."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.order import InOrder, Permutation, key_of
from streamer.stages.shuffle import BlockShuffled, Shuffled


def _whole(seed, epoch, n):
    return Permutation(seed, epoch, n).take(np.arange(n))


@given(st.integers(0, 2**40), st.integers(0, 50), st.integers(1, 5000))
def test_every_row_once(seed, epoch, n):
    """Whatever the key and the size, every row comes exactly once."""
    assert np.array_equal(np.sort(_whole(seed, epoch, n)), np.arange(n))


def test_known_values():
    """The order never changes between releases: a resumed run depends on it."""
    assert _whole(1, 2, 10).tolist() == [4, 0, 1, 6, 5, 7, 9, 3, 2, 8]
    assert key_of(1, 2) != key_of(2, 1)


def test_positions_are_fair():
    """Over many seeds each row comes at each position about equally often (chi-square within 5 sigma)."""
    n, seeds = 16, 4000
    counts = np.zeros((n, n))
    for seed in range(seeds):
        counts[np.arange(n), _whole(seed, 0, n)] += 1
    chi_square, freedom = ((counts - seeds / n) ** 2 / (seeds / n)).sum(), (n - 1) ** 2
    assert abs(chi_square - freedom) < 5 * np.sqrt(2 * freedom)


@pytest.mark.parametrize("shift", [0, 1, -1])
def test_no_excess_of_fixed_points_and_neighbours(shift):
    """Rows that stay, or that keep their neighbour, are as rare as in a fair shuffle: one on average."""
    found = []
    for seed in range(600):
        order = _whole(seed, 3, 1000)
        found.append((order == np.arange(1000)).sum() if shift == 0 else (np.diff(order) == shift).sum())
    assert abs(np.mean(found) - 1) < 5 / np.sqrt(600)


def test_epochs_and_seeds_are_unrelated():
    """Neighbouring seeds and epochs give orders without correlation, and within one order neighbours have none."""
    base = _whole(7, 0, 20_000)
    for other in (_whole(7, 1, 20_000), _whole(8, 0, 20_000), np.roll(base, 1), np.arange(20_000)):
        assert abs(np.corrcoef(base, other)[0, 1]) < 5 / np.sqrt(20_000)


def test_huge_ranges():
    """The state does not grow with n: positions of a range of 10**15 are distinct and inside."""
    rows = Permutation(3, 0, 10**15).take(np.arange(10**14, 10**14 + 1000))
    assert len(set(rows.tolist())) == 1000
    assert rows.min() >= 0 and rows.max() < 10**15


@pytest.mark.parametrize("n", [0, -1, 2**62])
def test_refuses_empty_and_too_large(n):
    """A permutation of nothing, or of more than 2**62 - 1 elements, is a mistake."""
    with pytest.raises(ValueError, match="1 to 2"):
        Permutation(0, 0, n)


@pytest.mark.parametrize(
    "order",
    [
        InOrder(103),
        Shuffled(103, 5),
        BlockShuffled(103, 5, 10, 3),
        BlockShuffled(100, 5, 10, 4),
        BlockShuffled(7, 5, 100, 2),
    ],
    ids=lambda order: f"{type(order).__name__}{len(order)}",
)
def test_parts_agree_with_the_whole(order):
    """Each order is a permutation in each epoch, and any part of it is that part of the whole."""
    n = len(order)
    for epoch in (0, 1):
        whole = order.rows(epoch, 0, n)
        assert sorted(whole.tolist()) == list(range(n))
        assert order.rows(epoch, 3, 7).tolist() == whole[3:7].tolist()
        some = np.array([n - 1, 0, 2, n // 2])
        assert order.at(epoch, some).tolist() == whole[some].tolist()


def test_shuffles_differ_by_epoch_and_seed():
    """Another epoch and another seed give another order, for both kinds of shuffle."""
    for make in (Shuffled, lambda n, seed: BlockShuffled(n, seed, 10, 3)):
        orders = {tuple(make(100, seed).rows(epoch, 0, 100)) for seed in (1, 2) for epoch in (0, 1)}
        assert len(orders) == 4


def test_block_shuffle_reads_few_blocks_at_a_time():
    """Any window of the order touches no more blocks than the window has, and rows inside it are shuffled."""
    order = BlockShuffled(1000, 9, 10, 4)
    rows = order.rows(0, 0, 1000)
    for start in range(0, 1000, 40):
        window = rows[start : start + 40]
        assert len(set(window // 10)) == 4
        assert (np.diff(window) == 1).sum() < 10


def test_block_shuffle_refuses_empty_blocks():
    """Blocks and windows have at least one row and one block."""
    with pytest.raises(ValueError, match="1 or more"):
        BlockShuffled(10, 0, 0, 1)
