"""What is said of a native recipe, over its data."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from streamer.advice import Remark
from streamer.advice.recipes import remarks_on
from streamer.indexing import index_source
from streamer.pipeline import Input, recipe_input
from streamer.recipe import Recipe
from streamer.sources.parquet import ParquetSource
from tests.streamer.sources.record_writing import example, write_records

SECTION = "train_input"
Make = Callable[..., list[Remark]]


@pytest.fixture
def parts(tmp_path: Path) -> Make:
    """Remarks on a recipe over three files of 40 rows."""
    for number in range(3):
        column = np.arange(40, dtype=np.uint8)
        pq.write_table(pa.table({"x": column}), tmp_path / f"{number}.parquet", row_group_size=10)

    def remarks(**keys: Any) -> list[Remark]:
        return look({"format": "parquet", "data_dir": str(tmp_path), "batch_size": 8, **keys})

    return remarks


def look(section: dict[str, Any]) -> list[Remark]:
    recipe = Recipe.from_params(section, SECTION)
    return list(remarks_on(recipe, recipe_input(recipe), SECTION))


def test_a_good_recipe_is_left_alone(parts: Make) -> None:
    """Shuffled in memory, or by windows of many batches, or with four parts in turn."""
    assert parts(shuffle=True) == []
    assert parts(shuffle=True, shuffle_block_rows=10, shuffle_window_blocks=4) == []
    assert parts(interleave_cycle_length=4) == []
    assert parts(columns={"x": {"scale": 0.5}}) == []


@pytest.mark.parametrize(
    ("keys", "key", "instead"),
    [
        ({"shuffle": True, "shuffle_block_rows": 2, "shuffle_window_blocks": 3}, "shuffle_window_blocks", "more"),
        ({"interleave_cycle_length": 1}, "interleave_cycle_length", "interleave_cycle_length: 4"),
        ({"interleave_cycle_length": 99}, "interleave_cycle_length", "interleave_cycle_length: 12"),
        ({"columns": {"x": {"scale": 0.5}}, "cast_at": "worker"}, "cast_at", "cast_at: arrival"),
        ({"prefetch": 1}, "prefetch", "leave it out"),
        ({"num_workers": 8}, "num_workers", "runconfig.num_workers"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_key_that_costs_is_named(parts: Make, keys: dict[str, Any], key: str, instead: str) -> None:
    """With what to write in its place."""
    (remark,) = parts(**keys)
    assert remark.where == f"{SECTION}.{key}"
    assert instead in remark.instead


def test_what_a_cast_at_the_worker_costs_is_counted(parts: Make) -> None:
    """A byte becomes a float32 before it travels."""
    (remark,) = parts(columns={"x": {"scale": 0.5}}, cast_at="worker")
    assert remark.gain == "4 bytes a sample on the way as it is, 1 with arrival"


def test_rows_anywhere_in_data_that_does_not_fit_into_memory(tmp_path: Path) -> None:
    """How many rows are decoded for one that is used follows from the row groups; their size is the one to take."""
    pq.write_table(pa.table({"x": np.arange(4000, dtype=np.int64)}), tmp_path / "a.parquet", row_group_size=100)
    recipe = Recipe.from_params(
        {"format": "parquet", "data_dir": str(tmp_path), "batch_size": 4, "shuffle": True}, SECTION
    )
    small = ParquetSource(str(tmp_path), memory_budget=800)
    (remark,) = remarks_on(recipe, Input(small), SECTION)
    assert remark.where == f"{SECTION}.shuffle"
    assert "94 rows are decoded for each one" in remark.why
    assert remark.instead.startswith("shuffle_block_rows: 100,")


def test_tfrecords_without_an_index_are_named_until_they_have_one(tmp_path: Path) -> None:
    """`streamer index` ends it."""
    write_records(tmp_path / "a.tfrecord", [example(x=[1])] * 4)
    section = {"format": "tfrecord", "data_dir": str(tmp_path), "batch_size": 2}
    (remark,) = look(section)
    assert (remark.where, remark.what) == (f"{SECTION}.data_dir", "1 TFRecord file without an index")
    index_source(str(tmp_path), None)
    assert look(section) == []
