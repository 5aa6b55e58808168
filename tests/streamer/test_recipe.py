"""The recipe: what is accepted, what is refused and how it is said, and what it makes of a source."""

import numpy as np
import pytest

from streamer.recipe import Recipe
from streamer.sources.opening import open_recipe
from wire.errors import InvalidInput

SYNTHETIC = {
    "format": "synthetic",
    "rows": 100,
    "batch_size": 10,
    "columns": {"image": {"dtype": "uint8", "shape": [28, 28]}, "label": {"dtype": "int32", "shape": []}},
}
FILES = {"format": "npz", "data_dir": "x.npz", "batch_size": 4}


def _recipe(**changes):
    return Recipe.from_params({**SYNTHETIC, **changes}, "params.yaml: train_input")


@pytest.fixture
def files(tmp_path):
    np.savez(
        tmp_path / "x.npz", a=np.arange(12, dtype=np.int64).reshape(4, 3), b=np.full(4, 0.5), c=np.array(["x"] * 4)
    )
    return {**FILES, "data_dir": str(tmp_path / "x.npz")}


def test_json_round_trip():
    """A recipe travels as JSON and comes back equal."""
    recipe = _recipe(shuffle=True, shuffle_seed=3, prefetch=4, cast_at="worker", num_workers=2)
    assert Recipe.from_json(recipe.to_json()) == recipe


@pytest.mark.parametrize("text", ["{", "[]", "3", '{"format": "synthetic"}', "[" * 100_000])
def test_json_that_is_no_recipe(text):
    """Anything else that arrives is refused."""
    with pytest.raises(InvalidInput):
        Recipe.from_json(text)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"shufle": True}, "shufle: there is no such key; did you mean 'shuffle'"),
        ({"columns": {"x": {"dtyp": "int8"}}}, "columns.x.dtyp: there is no such key; did you mean 'dtype'"),
        (
            {"format": "csv"},
            "format: 'csv' is not allowed; allowed are 'parquet', 'idx', 'npz', 'tfrecord', 'images' or 'synthetic'",
        ),
        (
            {"format": "tfrecord", "data_dir": "x", "columns": {"x": {"jpeg": {"size": [8, 8], "crob": "whole"}}}},
            "columns.x.jpeg.crob: there is no such key; did you mean 'crop'",
        ),
        (
            {"columns": {"x": {"dtype": "uint8", "shape": [2], "jpeg": {"size": [8, 8]}}}},
            "columns.x: synthetic has no samples of any length",
        ),
        (
            {"format": "parquet", "data_dir": "x", "columns": {"x": {"dtype": "float32", "jpeg": {"size": [8, 8]}}}},
            "columns.x.dtype: pixels are uint8",
        ),
        (
            {"format": "parquet", "data_dir": "x", "columns": {"x": {"pad": {"to": 8}, "pack": {"to": 8, "end": 0}}}},
            "columns.x.jpeg, pad and pack are ways of their own",
        ),
        (
            {"format": "parquet", "data_dir": "x", "columns": {"x": {"pack": {"to": 8, "end": 0}}, "y": {}}},
            "a column with `pack` is the only one",
        ),
        (
            {"format": "parquet", "data_dir": "x", "columns": {"x": {"pad": {"to": 8, "mask": "y"}}, "y": {}}},
            "columns.x.pad.mask: there is a column 'y' already",
        ),
        ({"batch_size": "many"}, "batch_size: 'many' will not do: a valid integer is needed"),
        ({"batch_size": 0}, "batch_size: 0 will not do: greater than or equal to 1"),
        ({"batch_size": True}, "batch_size: True will not do"),
        ({"columns": {"x": {"dtype": "bfloat16", "shape": []}}}, "columns.x.dtype: 'bfloat16' is not allowed"),
        ({"columns": {"x": {"scale": float("nan")}}}, "columns.x.scale"),
        ({"rows": None}, "rows: is missing"),
        ({"columns": {}}, "columns: synthetic data needs dtype and shape"),
        ({"format": "parquet"}, "data_dir: is missing"),
        ({"shuffle_block_rows": 10}, "no meaning with shuffle: False"),
        ({"shuffle": True, "interleave_cycle_length": 2}, "an order of its own"),
    ],
)
def test_problems_are_said_for_people(changes, message):
    """Each mistake is said with its key, what is wrong and what is allowed."""
    with pytest.raises(InvalidInput) as caught:
        _recipe(**changes)
    assert message in caught.value.what
    assert caught.value.where == "params.yaml: train_input"


def test_all_problems_at_once():
    """Several mistakes come in one error."""
    with pytest.raises(InvalidInput, match="3 things are wrong") as caught:
        _recipe(shufle=True, prefetch=-1, cast_at="never")
    assert all(key in caught.value.what for key in ("shufle", "prefetch", "cast_at"))


def test_split_follows_the_section():
    """An eval_input reads the test split of IDX files unless it says otherwise."""
    section = {"format": "idx", "data_dir": "d", "batch_size": 1}
    assert Recipe.from_params(section, "train_input").split == "train"
    assert Recipe.from_params(section, "params.yaml: eval_input").split == "test"
    assert Recipe.from_params({**section, "split": "train"}, "eval_input").split == "train"


def test_columns_are_chosen_shaped_and_cast(files):
    """Columns come in the recipe's order, with its shapes, dtypes and landings."""
    columns = {"b": {"lands_as": "float16"}, "a": {"dtype": "int32", "shape": [3, 1], "scale": 0.1}}
    source = open_recipe(Recipe.from_params({**files, "columns": columns}, "train_input"))
    assert str(source.spec) == "b: float64() lands as float16; a: int32(3, 1) lands as float32"
    assert source.gather(np.array([2, 0]))["a"].tolist() == [[[6], [7], [8]], [[0], [1], [2]]]


def test_to_float16(files):
    """to_float16 makes what is a float, or becomes one, land as float16; labels stay what they are."""
    columns = {"a": {}, "b": {}}
    source = open_recipe(Recipe.from_params({**files, "columns": columns, "to_float16": True}, "train_input"))
    assert [field.landed_dtype for field in source.spec.fields] == ["int64", "float16"]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"aa": {}}, "no column 'aa'"),
        ({"a": {"shape": [2, 2]}}, "cannot have shape"),
        ({"c": {"dtype": "int8"}}, "holds strings"),
        ({"c": {"lands_as": "float16"}}, "holds strings"),
    ],
)
def test_columns_that_do_not_fit(files, columns, message):
    """A column that is not there, or cannot take a shape or dtype, is named."""
    with pytest.raises(InvalidInput, match=message):
        open_recipe(Recipe.from_params({**files, "columns": columns}, "train_input"))


def test_values_that_do_not_fit(tmp_path):
    """A value that the asked dtype cannot hold is refused with the column and a row's place, never wrapped around."""
    np.savez(tmp_path / "x.npz", label=np.array([1, 300]))
    section = {**FILES, "data_dir": str(tmp_path / "x.npz"), "columns": {"label": {"dtype": "uint8"}}}
    source = open_recipe(Recipe.from_params(section, "train_input"))
    assert source.gather(np.array([0]))["label"].dtype == np.uint8
    with pytest.raises(InvalidInput, match="'label' has a value that uint8 cannot hold") as caught:
        source.gather(np.array([1]))
    assert "x.npz row 1" in caught.value.where


def test_fake_data_has_the_spec_of_the_files(files):
    """use_fake_data makes as many rows of the same spec as the files have."""
    real = open_recipe(Recipe.from_params(files, "train_input"))
    fake = open_recipe(Recipe.from_params({**files, "use_fake_data": True}, "train_input"))
    assert fake.spec == real.spec and len(fake) == len(real)
    assert "synthetic" in fake.describe()


def test_fake_data_needs_no_files_when_the_columns_say_all():
    """With dtype and shape of every column nothing is read."""
    section = {**SYNTHETIC, "format": "parquet", "data_dir": "nowhere", "use_fake_data": True}
    assert len(open_recipe(Recipe.from_params(section, "train_input"))) == 100
