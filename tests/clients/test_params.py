"""Reading, overriding and writing params files."""

from __future__ import annotations

from pathlib import Path

import pytest

from clients import params
from wire.errors import Exhausted, InvalidInput, NotFound


def write(folder: Path, text: str) -> Path:
    path = folder / "params.yaml"
    path.write_text(text)
    return path


def test_a_missing_file_lists_the_params_files_that_are_there(tmp_path):
    """A mistyped file name is answered with the files of that folder."""
    write(tmp_path, "model: {}")
    with pytest.raises(NotFound) as caught:
        params.load(tmp_path / "parms.yaml")
    assert "params.yaml" in caught.value.fix
    assert str(tmp_path / "parms.yaml") in caught.value.where


def test_a_folder_is_no_params_file(tmp_path):
    """The path of a folder is refused as such."""
    with pytest.raises(InvalidInput, match="folder"):
        params.load(tmp_path)


def test_bytes_that_are_no_text_are_refused(tmp_path):
    """A binary file is called no UTF-8 text."""
    (tmp_path / "p.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InvalidInput, match="no UTF-8"):
        params.load(tmp_path / "p.yaml")


def test_a_syntax_error_carries_line_and_column(tmp_path):
    """Text that is no YAML is refused at its line and column."""
    path = write(tmp_path, "model:\n  depth: 3\n  hidden: [1, 2\n")
    with pytest.raises(InvalidInput) as caught:
        params.load(path)
    assert caught.value.where == f"{path}:4:1"


@pytest.mark.parametrize("text", ["model:\n  depth: 3\n  depth: 4\n", "model: {depth: 3, depth: 4}"])
def test_a_repeated_key_is_refused(tmp_path, text):
    """A key that is given twice is refused instead of silently overriding itself."""
    with pytest.raises(InvalidInput, match="'depth' is given twice, first in line"):
        params.load(write(tmp_path, text))


@pytest.mark.parametrize(
    ("text", "kind"), [("", "nothing"), ("- 1\n- 2", "a list"), ("hello", "a text"), ("3", "a int")]
)
def test_a_file_that_is_no_mapping_is_refused(tmp_path, text, kind):
    """A params file that holds something else than sections says what it holds."""
    with pytest.raises(InvalidInput, match=f"holds {kind}"):
        params.load(write(tmp_path, text))


@pytest.mark.parametrize("text", ["1e-3", "1E-3", "1.0e-3", "0.001", ".1e-2"])
def test_numbers_in_exponent_form_are_numbers(tmp_path, text):
    """1e-3, which YAML 1.1 takes for a text, is read as a number."""
    assert params.load(write(tmp_path, f"optimizer: {{learning_rate: {text}}}"))["optimizer"]["learning_rate"] == 0.001


def test_code_in_yaml_is_not_run(tmp_path):
    """A tag that would build a Python object is refused."""
    with pytest.raises(InvalidInput, match="no YAML"):
        params.load(write(tmp_path, "model: !!python/object/apply:os.getcwd []"))


@pytest.mark.parametrize(
    "words",
    [
        ["model.mixed_precision", "False"],
        ["--model.mixed_precision=False"],
        ["--model.mixed_precision", "False"],
        ["model.mixed_precision=False"],
    ],
)
def test_overrides_are_written_in_several_ways(words):
    """An override changes one key, whichever way it is written, and leaves the given params alone."""
    given = {"model": {"mixed_precision": True, "depth": 3}}
    assert params.override(given, words) == {"model": {"mixed_precision": False, "depth": 3}}
    assert given["model"]["mixed_precision"] is True


def test_override_values_are_yaml():
    """Values are YAML: lists, numbers, negative numbers and texts keep their types."""
    words = ["model.hidden_sizes", "[500, 300]", "optimizer.learning_rate", "-1e-3", "train_input.data_dir", "./x=y"]
    assert params.override({}, words) == {
        "model": {"hidden_sizes": [500, 300]},
        "optimizer": {"learning_rate": -1e-3},
        "train_input": {"data_dir": "./x=y"},
    }


def test_an_override_reaches_inner_mappings():
    """A path of three names sets a key inside of a mapping."""
    assert params.override({"model": {"a": {"b": 1}}}, ["model.a.b", "2"]) == {"model": {"a": {"b": 2}}}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["model.depth"], "has no value"),
        (["depth", "3"], "is no override"),
        (["modle.depth", "3"], "did you mean 'model'"),
        (["model..depth", "3"], "is no override"),
        (["model.depth.x", "3"], "has no key 'x'"),
        (["model.depth", "[1"], "no YAML"),
    ],
)
def test_wrong_overrides_are_refused(words, message):
    """Each kind of wrong override says what is wrong with it."""
    with pytest.raises(InvalidInput) as caught:
        params.override({"model": {"depth": 1}}, words)
    assert message in str(caught.value)


def test_params_in_force_are_written_and_can_be_read_back(tmp_path):
    """What dump writes, load reads."""
    given = {"model": {"depth": 3}, "optimizer": {"learning_rate": 1e-05}}
    path = params.dump(given, tmp_path, "train")
    assert path == tmp_path / "train" / "params_train.yaml"
    assert params.load(path) == given


def test_a_model_dir_that_cannot_be_written_is_reported(tmp_path):
    """A model_dir that is a file gives an error with its path."""
    (tmp_path / "taken").write_text("")
    with pytest.raises(Exhausted) as caught:
        params.dump({}, tmp_path / "taken", "train")
    assert str(tmp_path / "taken") in caught.value.where
