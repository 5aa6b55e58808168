"""Pad: sequences of any length become rows of one length, exactly, and what does not fit is told."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.pipeline import StreamSettings, recipe_input
from streamer.recipe import Recipe
from streamer.recipe_column import Pad
from streamer.stages import Occasion
from streamer.stages.pad import Padded
from wire.cursor import Cursor
from wire.elements import Landing, Ragged
from wire.errors import InvalidInput

LISTS = st.lists(st.lists(st.integers(-9, 9), max_size=7), min_size=1, max_size=6)


def _ragged(lists):
    values = np.array([item for items in lists for item in items], np.int32)
    return Ragged(values, np.cumsum([0, *map(len, lists)]))


def _input(folder, lists, pad, **column):
    pq.write_table(pa.table({"t": lists, "n": range(len(lists))}), folder / "a.parquet")
    columns = {"t": {"dtype": "int32", "pad": pad, **column}, "n": {}}
    section = {"format": "parquet", "data_dir": str(folder), "columns": columns, "batch_size": len(lists)}
    return recipe_input(Recipe.from_params(section, "train_input"))


def _first(opened, settings):
    pipeline = opened.open(settings, Cursor(0))
    try:
        return pipeline.get(20)
    finally:
        pipeline.close()


@given(LISTS)
def test_rows_are_the_lists_and_what_fills_them(lists):
    """Each row is its list, cut or filled to the length; the mask is 1 where there is an item of the list."""
    pad = Pad(to=5, fill=-1, mask="m", cut=True)
    occasion = Occasion(0, 0, np.arange(len(lists)), str)
    made = Padded("t", pad).apply({"t": _ragged(lists), "n": np.arange(len(lists))}, occasion)
    assert list(made) == ["t", "m", "n"]
    assert made["t"].tolist() == [(items + [-1] * 5)[:5] for items in lists]
    assert made["m"].tolist() == [([1] * len(items) + [0] * 5)[:5] for items in lists]


def test_recipe_pads(tmp_path):
    """A recipe's column has one shape when it is padded; the mask travels as bytes and lands as int32."""
    opened = _input(tmp_path, [[1, 2], [], [3, 4, 5]], {"to": 4, "mask": "m"})
    tokens, mask, _ = opened.spec.fields
    assert (tokens.dtype, tokens.shape, tokens.ragged) == ("int32", (4,), False)
    assert (mask.name, mask.dtype, mask.shape, mask.landing) == ("m", "uint8", (4,), Landing("int32"))
    batch = _first(opened, StreamSettings(3, epochs=1)).batch
    assert batch["t"].tolist() == [[1, 2, 0, 0], [0, 0, 0, 0], [3, 4, 5, 0]] and batch["t"].dtype == np.int32


def test_a_list_that_is_too_long_is_a_bad_sample(tmp_path):
    """A list that is too long is a bad sample: it is told with its row, or passed over."""
    opened = _input(tmp_path, [[1], [1, 2, 3], [2]], {"to": 2})
    with pytest.raises(InvalidInput, match=r"column 't' has 3 items here; pad.to is 2") as caught:
        _first(opened, StreamSettings(3, epochs=1))
    assert "row group 0 row 1" in caught.value.where
    frame = _first(opened, StreamSettings(3, epochs=1, pass_bad=True))
    assert [bad.row for bad in frame.bad] == [1] and frame.batch["t"].tolist() == [[1, 0], [1, 0], [2, 0]]


@pytest.mark.parametrize(
    ("lists", "pad", "column", "message"),
    [
        ([[1]], {"to": 2, "fill": 300}, {"dtype": "uint8"}, "is uint8, which cannot hold 300"),
        ([1], {"to": 2}, {}, "holds t: int32\\(\\), no lists of numbers"),
        ([["a"]], {"to": 2}, {"dtype": None}, "no lists of numbers"),
    ],
)
def test_what_cannot_be_padded_is_said(tmp_path, lists, pad, column, message):
    """A fill that the dtype cannot hold, and columns that hold no lists of numbers, are refused when opened."""
    with pytest.raises(InvalidInput, match=message):
        _input(tmp_path, lists, pad, **column)
