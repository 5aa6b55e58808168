"""Columns: taking, joining and checking, for numbers, strings and ragged lists."""

import numpy as np
import pytest

from streamer.columns import Table, check_batch, join, size_of, slice_batch, spec_of, take
from wire.elements import Ragged
from wire.errors import InvalidInput

LISTS = Ragged(np.arange(6), np.array([0, 2, 2, 5, 6]))


def _lists(column):
    return [column.values[a:b].tolist() for a, b in zip(column.offsets, column.offsets[1:], strict=False)]


def test_take_ragged():
    """Lists are taken in the order asked for, empty ones and repeats too."""
    assert _lists(take(LISTS, np.array([3, 1, 2, 2, 0]))) == [[5], [], [2, 3, 4], [2, 3, 4], [0, 1]]
    assert _lists(take(LISTS, np.array([], dtype=np.int64))) == []


def test_take_neighbours_is_a_view():
    """Rows that follow one another are not copied; others are, and both are right."""
    column = np.arange(20).reshape(10, 2)
    assert np.shares_memory(take(column, np.arange(3, 7)), column)
    assert take(column, np.array([3, 5, 4, 6])).tolist() == column[[3, 5, 4, 6]].tolist()


def test_join():
    """Joined columns read like their parts one after the other."""
    assert _lists(join([LISTS, LISTS])) == _lists(LISTS) * 2
    assert join([np.zeros((1, 2)), np.ones((2, 2))]).shape == (3, 2)


def test_table_refuses_rows_that_are_not_there():
    """A row outside the table is an error, never another row."""
    table = Table({"x": np.arange(5)})
    for rows in ([5], [-1], [0, 9]):
        with pytest.raises(IndexError, match="of a source of 5 rows"):
            table.gather(np.array(rows))


def test_size_counts_strings_by_their_text():
    """A column of strings is as large as its text at least."""
    assert size_of(np.array(["abc", "de"], dtype=object)) >= 5


def test_slice_batch():
    """A part of a batch has these samples of every field."""
    part = slice_batch({"x": np.arange(4), "y": LISTS}, 1, 3)
    assert part["x"].tolist() == [1, 2]
    assert _lists(part["y"]) == [[], [2, 3, 4]]


@pytest.mark.parametrize(
    ("batch", "message"),
    [
        (
            {"x": np.zeros((2, 4), np.float32)},
            r"'x' changes between batches: it was float32\(3,\), now it is float32\(4,\)",
        ),
        ({"x": np.zeros((2, 3), np.float64)}, r"now it is float64"),
        ({}, "now it is missing"),
        ({"x": np.zeros((2, 3), np.float32), "y": np.zeros(2)}, "'y' appears in some"),
    ],
)
def test_check_names_what_changed(batch, message):
    """A batch that is not like the first one is refused with the field, what it was and what it is."""
    spec = spec_of({"x": np.zeros((2, 3), np.float32)}, "here")
    with pytest.raises(InvalidInput, match=message):
        check_batch(batch, spec, "batch 7")


def test_check_counts_samples():
    """Fields of one batch have the same number of samples."""
    batch = {"x": np.zeros(2), "y": np.zeros(3)}
    with pytest.raises(InvalidInput, match="different numbers of samples: 'x' 2, 'y' 3"):
        check_batch(batch, spec_of(batch, ""), "batch 0")


@pytest.mark.parametrize("value", [np.float32(3), np.zeros((2, 0))])
def test_spec_needs_samples_and_values(value):
    """A single value, and samples without values, make no field."""
    with pytest.raises(InvalidInput):
        spec_of({"loss": np.asarray(value)}, "the first batch")
