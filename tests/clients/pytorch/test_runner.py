"""run(): the reference project as a user starts it, and its errors as a user sees them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
PROJECT = ROOT / "clients" / "fc_mnist" / "pytorch"
FAKE = ["train_input.use_fake_data", "True", "eval_input.use_fake_data", "True"]
SMALL = ["model.hidden_sizes", "[16]", "train_input.batch_size", "32"]


def start(*words: str, folder: Path = PROJECT, script: Path = PROJECT / "run.py") -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONWARNINGS": "error", "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, str(script), *words],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.e2e
def test_the_documented_commands_work_from_the_projects_folder(tmp_path):
    """Train, train on, and evaluate all 10,000 images once, with mixed precision on and off."""
    common = ["--params", "configs/params.yaml", "-o", str(tmp_path), "--cpu", *SMALL]
    trained = start("--mode", "train", *common, "--max_steps", "60")
    assert trained.returncode == 0, trained.stderr
    assert "Training Completed Successfully!" in trained.stdout
    on = start(*common, "--num_steps", "10", "model.mixed_precision", "False")
    assert "Continuing from global step: 60" in on.stdout
    assert (tmp_path / "checkpoint_70").is_dir()
    for mixed in ("True", "False"):
        found = start("--mode", "eval", *common, "model.mixed_precision", mixed)
        assert found.returncode == 0, found.stderr
        assert "Samples=10000" in found.stdout
        assert float(re.search(r"accuracy = ([\d.]+)", found.stdout)[1]) > 0.6
    assert (tmp_path / "eval" / "params_eval.yaml").is_file()


@pytest.mark.e2e
def test_validate_leaves_nothing_and_compile_is_cached(tmp_path):
    """validate_only makes no executable; the second compile_only finds the first one's; the current folder is free."""
    common = ["-p", str(PROJECT / "configs" / "params.yaml"), "-o", str(tmp_path), *SMALL]
    validated = start("--validate_only", *common, folder=tmp_path)
    assert validated.returncode == 0, validated.stderr
    assert "Validated in" in validated.stdout
    assert "Precision: mixed; activations bfloat16" in validated.stdout
    assert "Suggestions to improve train_input performance: none, it is in good order" in validated.stdout
    assert not list(tmp_path.glob("cs_*"))
    assert "Compiled in" in start("--compile_only", *common, folder=tmp_path).stdout
    again = start("--compile_only", *common, "optimizer.learning_rate", "0.5", folder=tmp_path)
    assert "Compile was cached" in again.stdout
    assert "Capture: as before" in again.stdout
    assert "Suggestions to improve train_input performance: none" in again.stdout
    assert len(list(tmp_path.glob("cs_*"))) == 1


@pytest.mark.e2e
@pytest.mark.parametrize(
    ("words", "messages"),
    [
        (["--params", "configs/parms.yaml"], ["does not exist", "params.yaml"]),
        (["runconfig.max_stpes", "3"], ["runconfig.max_stpes", "did you mean 'max_steps'"]),
        (["train_input.batch_size", "many"], ["train_input.batch_size is 'many'", "a valid integer"]),
        (["train_input.data_dir", "nowhere"], ["train_input.data_dir is 'nowhere'", "tried:"]),
        (["--max_step", "3"], ["no flag --max_step", "did you mean '--max_steps'"]),
        (["model.activation_fn", "rleu"], ["no activation_fn 'rleu'", "did you mean 'relu'"]),
        (["optimizer.optimizer_type", "adaam"], ["optimizer.optimizer_type", "did you mean 'adam'"]),
        (["model.hidden_sizes", "big"], ["while building the model", "model.py:"]),
        (["--mode", "eval"], ["no checkpoint to evaluate"]),
    ],
)
def test_an_error_is_one_screen_and_exit_code_1(tmp_path, words, messages):
    """What a user did wrong is said in a few lines on stderr, without a traceback."""
    first = [] if "--params" in words else ["--params", "configs/params.yaml"]
    ended = start(*first, "-o", str(tmp_path), *words)
    assert ended.returncode == 1
    assert all(message in ended.stderr for message in messages), ended.stderr
    assert "Traceback" not in ended.stderr
    assert len(ended.stderr.splitlines()) <= 10


@pytest.mark.e2e
def test_problems_that_do_not_need_each_other_are_told_at_once(tmp_path):
    """The data that is not there, what this wafer has not, and the line of the model that is wrong."""
    words = ["--validate_only", "train_input.data_dir", "nowhere", "csconfig.use_cbfloat16", "True"]
    ended = start("-p", "configs/params.yaml", "-o", str(tmp_path), *words, "model.activation_fn", "rleu")
    assert ended.returncode == 1
    assert ended.stderr.count("error: ") == 3
    for message in ("train_input.data_dir is 'nowhere'", "no cbfloat16", "did you mean 'relu'"):
        assert message in ended.stderr


@pytest.mark.e2e
def test_a_traceback_is_shown_when_asked_for(tmp_path):
    """--traceback shows where an error was raised."""
    assert "Traceback" in start("--params", "missing.yaml", "--traceback", "-o", str(tmp_path)).stderr


@pytest.mark.e2e
def test_fake_data_needs_no_data(tmp_path):
    """With use_fake_data the data_dir may be missing; train_and_eval does both."""
    words = ["-p", "configs/params.yaml", "-o", str(tmp_path), "--mode", "train_and_eval", "--max_steps", "3"]
    ended = start(*words, *FAKE, *SMALL, "train_input.data_dir", "nowhere", "eval_input.data_dir", "nowhere")
    assert ended.returncode == 0, ended.stderr
    assert "Avg Eval. Loss" in ended.stdout


@pytest.mark.e2e
def test_the_params_of_the_zoo_run(tmp_path):
    """Ten layers of fifty with SGD train."""
    ended = start("-p", "configs/params_zoo.yaml", "-o", str(tmp_path), "--max_steps", "3", "--cpu")
    assert ended.returncode == 0, ended.stderr
