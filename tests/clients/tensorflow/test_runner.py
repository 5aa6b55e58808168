"""run(): the command line of a project."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import small_project
import yaml

from clients.tensorflow import EstimatorSpec, ModeKeys, run
from clients.tensorflow.plain_checkpoints import every
from wire.errors import InvalidInput

PARAMS = {
    "train_input": {"batch_size": 16},
    "optimizer": {"rate": 0.1},
    "runconfig": {"max_steps": 6, "save_checkpoints_steps": 3},
}


def model_fn(features: Any, labels: Any, mode: str, params: dict[str, Any]) -> EstimatorSpec:
    return small_project.line(features, labels, mode, params["optimizer"])


def train_input_fn(params: dict[str, Any]) -> Any:
    return small_project.points(params["train_input"], ModeKeys.TRAIN)


def eval_input_fn(params: dict[str, Any]) -> Any:
    return small_project.points(params["train_input"], ModeKeys.EVAL)


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs the project with these words; gives its exit code."""
    params = tmp_path / "params.yaml"
    params.write_text(yaml.safe_dump(PARAMS))

    def call(words: str, **functions: Any) -> int:
        where = ["--params", str(params), "--model_dir", str(tmp_path / "m")]
        monkeypatch.setattr(sys, "argv", ["run.py", *where, *words.split()])
        try:
            run(model_fn, train_input_fn, **{"eval_input_fn": eval_input_fn, **functions})
        except SystemExit as end:
            return int(end.code or 0)
        return 0

    return call


def test_every_mode_does_its_work(call, tmp_path, capsys):
    """Train, evaluate one checkpoint and all, predict; lines are as TensorFlow writes them."""
    assert call("--steps 4") == 0
    assert [path.rpartition("-")[2] for path in every(tmp_path / "m")] == ["0", "3", "4"]
    assert call("--mode train_and_eval --max_steps 8") == 0
    assert call("--mode eval --eval_steps 1") == 0
    out = capsys.readouterr().out
    assert "INFO:tensorflow:Saving dict for global step 8: error = " in out
    assert "is deprecated" not in out
    assert call(f"--mode eval --checkpoint_path {tmp_path}/m/model.ckpt-3") == 0
    assert "Saving dict for global step 3:" in capsys.readouterr().out
    assert call("--mode eval_all") == 0
    steps = [f"global step {path.rpartition('-')[2]}:" for path in every(tmp_path / "m")]
    assert [
        line.split(" for ")[1][: len(steps[0])] for line in capsys.readouterr().out.splitlines() if " dict " in line
    ]
    assert call("--mode predict --predict_samples 20") == 0
    with np.load(tmp_path / "m" / "predict" / "predictions.npz") as made:
        assert {name: made[name].shape for name in made.files} == {"value": (20,), "twice": (20,)}


def test_the_params_in_force_are_left(call, tmp_path):
    """File, flags, overrides and defaults together are dumped into the model_dir."""

    def defaults(params: dict[str, Any]) -> None:
        params["model"]["depth"] = 3

    assert call("--steps 1 optimizer.rate 0.25", default_params_fn=defaults) == 0
    left = yaml.safe_load((tmp_path / "m" / "train" / "params_train.yaml").read_text())
    assert (left["model"], left["optimizer"], left["runconfig"]["steps"]) == ({"depth": 3}, {"rate": 0.25}, 1)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--max_step 3", "did you mean '--max_steps'"),
        ("--checkpoint_steps 3", "there is no flag --checkpoint_steps"),
        ("--keep_checkpoint_max 3", "it is a key: write runconfig.keep_checkpoint_max VALUE"),
        ("runconfig.max_stpes 3", "did you mean 'max_steps'"),
        ("--mode eval", "there is no checkpoint to read"),
        ("--mode eval_all", "there is no checkpoint to read"),
        ("--validate_only", "drop_remainder=True"),
        ("--compile_only", "drop_remainder=True"),
        ("--cs_ip localhost --mode predict", "off the system only"),
        ("--mode train_and_eval --steps 3", "counts max_steps"),
        ("optimizer.rate fast", "where: small_project.py:"),
    ],
)
def test_an_error_is_one_screen(call, capsys, words, message):
    """The exit code is 1, and the error says what and where, without a traceback."""
    assert call(words) == 1
    error = capsys.readouterr().err
    assert message in error
    assert error.startswith("error: ")
    assert len(error.splitlines()) <= 3


def test_validating_writes_nothing(call, tmp_path):
    """There is no model_dir afterwards."""
    call("--validate_only")
    assert not (tmp_path / "m").exists()


def test_a_traceback_is_shown_when_it_is_asked_for(call):
    """--traceback lets the error through."""
    with pytest.raises(InvalidInput, match="Cast string to float") as caught:
        call("--traceback optimizer.rate fast")
    assert caught.value.__cause__ is not None


def test_a_mode_without_its_input_is_refused(call, capsys):
    """The error says what run() lacks."""
    assert call("--steps 1") == 0
    assert call("--mode eval", eval_input_fn=None) == 1
    assert "pass eval_input_fn=... in run.py" in capsys.readouterr().err


def test_training_begins_with_a_given_checkpoint(call, tmp_path):
    """--checkpoint_path in training is a warm start."""
    assert call("--steps 5") == 0
    path = tmp_path / "m" / "model.ckpt-5"
    assert call(f"--model_dir {tmp_path}/other --checkpoint_path {path} --steps 1") == 0
    assert [one.rpartition("-")[2] for one in every(tmp_path / "other")] == ["0", "1"]
