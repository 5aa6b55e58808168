"""The params in force."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from clients.arguments import Arguments
from clients.in_force import in_force
from clients.sections import check
from wire.errors import InvalidInput, NotFound

READ_IN = {"train_input": ("train",), "eval_input": ("eval",)}


@pytest.fixture
def arguments(tmp_path: Path) -> Any:
    """Arguments for a params file with these sections."""

    def arguments(flags: dict[str, Any], *overrides: str, **sections: Any) -> Arguments:
        path = tmp_path / "params.yaml"
        path.write_text(yaml.safe_dump({"optimizer": {"optimizer_type": "SGD", "learning_rate": 0.1}, **sections}))
        return Arguments(params=path, flags=flags, own={}, overrides=overrides, traceback=False)

    return arguments


def test_a_flag_goes_before_the_file_and_defaults_fill_the_rest(arguments, tmp_path):
    """File, override, flag, defaults: each has its place, and the runconfig is typed."""

    def defaults(params: dict[str, Any]) -> None:
        params["model"].setdefault("depth", 7)

    given = arguments({"max_steps": 3}, "model.width", "2", runconfig={"max_steps": 9})
    params, config = in_force(given, tmp_path, defaults, check, READ_IN)
    assert params["model"] == {"width": 2, "depth": 7}
    assert (config.max_steps, config.model_dir) == (3, str(tmp_path / "model_dir"))


def test_only_data_that_the_mode_reads_must_be_there(arguments, tmp_path):
    """A path becomes absolute where the mode reads it, and is left alone where it does not."""
    (tmp_path / "train").mkdir()
    given = arguments({}, train_input={"data_dir": "train"}, eval_input={"data_dir": "nowhere"})
    params, _ = in_force(given, tmp_path, None, check, READ_IN)
    assert params["train_input"]["data_dir"] == str(tmp_path / "train")
    given.flags["mode"] = "eval"
    with pytest.raises(NotFound, match="nowhere"):
        in_force(given, tmp_path, None, check, READ_IN)


def test_defaults_are_checked_too(arguments, tmp_path):
    """What a project fills in obeys the same rules, and its own errors name its line."""

    def wrong(params: dict[str, Any]) -> None:
        params["runconfig"]["max_stpes"] = 3

    with pytest.raises(InvalidInput, match="did you mean 'max_steps'"):
        in_force(arguments({}), tmp_path, wrong, check, READ_IN)
    with pytest.raises(InvalidInput, match="KeyError while filling in default params") as caught:
        in_force(arguments({}), tmp_path, lambda params: params["absent"], check, READ_IN)
    assert "test_in_force.py:" in caught.value.where
