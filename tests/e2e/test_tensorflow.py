"""A user's own TensorFlow project on the wafer: the same bits whoever feeds it, and TensorFlow's own artefacts."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest
import tensorflow as tf

from tests.e2e import tf_project
from tests.e2e.harness import BIN, TWO, Finished, Service, python, weights_digest
from tests.e2e.stage import Stage, until

pytestmark = pytest.mark.e2e

STEPS = 60
PYTHON = "tf.py_function(lambda x: x, [hidden], tf.float32)"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tf_project.write(tmp_path_factory.mktemp("project") / "p")


def run(service: Service, folder: Path, model_dir: Path, *options: str) -> Finished:
    return service.run("--model_dir", str(model_dir), *options, cwd=folder, params="params.yaml")


@pytest.fixture(scope="module")
def whole(shared_service: Service, folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model_dir of an undisturbed run of two replicas with one worker."""
    model_dir = tmp_path_factory.mktemp("whole")
    done = run(shared_service, folder, model_dir, *TWO, "--num_workers", "1")
    assert done.code == 0, done.said
    assert "global step 20: loss = " in done.out
    assert f"Training finished with {STEPS * 20} samples in " in done.out
    return model_dir


def test_parts_with_other_workers_give_the_bits_of_the_whole(
    shared_service: Service, folder: Path, whole: Path, tmp_path: Path
) -> None:
    """Thirty steps with three workers and the other thirty with two: dropout, schedule and slots go on as they were."""
    for last, workers in (("30", "3"), ("60", "2")):
        options = (*TWO, "--max_steps", last, "--num_workers", workers)
        done = run(shared_service, folder, tmp_path / "m", *options)
        assert done.code == 0, done.said
    assert weights_digest(tmp_path / "m", STEPS) == weights_digest(whole, STEPS)


def test_a_killed_wafer_process_changes_nothing(folder: Path, whole: Path, tmp_path: Path) -> None:
    """The run goes on from its last checkpoint to the same bits."""
    stage = Stage(tmp_path / "stage")
    try:
        model_dir = tmp_path / "m"
        options = (*TWO, "--num_workers", "2")
        chief = stage.chief(folder, model_dir, *options)
        until((model_dir / "checkpoint_20" / "manifest.json").exists, "checkpoint_20")
        stage.kill_wafer()
        assert chief.wait(120) == 0, stage.said()
    finally:
        stage.stop()
    assert weights_digest(model_dir, STEPS) == weights_digest(whole, STEPS)


def test_checkpoints_and_evaluation_are_tensorflows_own(shared_service: Service, folder: Path, whole: Path) -> None:
    """model.ckpt-<step> holds the user's names; the metrics of a host call come from the wafer, those off it agree."""
    held = tf.train.load_checkpoint(str(whole / f"model.ckpt-{STEPS}"))
    assert held.get_tensor("global_step") == STEPS
    assert held.get_variable_to_shape_map()["hidden/kernel"] == [8, 16]
    assert sorted(path.name for path in whole.glob("*.index")) == ["model.ckpt-40.index", "model.ckpt-60.index"]
    done = run(shared_service, folder, whole, "--mode", "eval")
    assert done.code == 0, done.said
    plain = python("run.py", "--mode", "eval", "--params", "params.yaml", "--model_dir", str(whole), cwd=folder)
    assert plain.code == 0, plain.said
    assert _evaluated(done.out) == pytest.approx(_evaluated(plain.out), rel=1e-5)


def test_the_ledger_counts_a_pipelines_batches(whole: Path) -> None:
    """A tf.data pipeline has no rows to account for, but every stream's batches and digest are there."""
    command = [BIN / "wafer_sim", "ledger", str(whole), "--json"]
    told = json.loads(subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout)
    assert told["samples"] == STEPS * 20
    assert all(stream["batches"] and stream["digest"] for stream in told["streams"])


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ({"data_line": "data = data.take(3)"}, "add .repeat()"),
        ({"model_line": f"hidden = tf.ensure_shape({PYTHON}, hidden.shape)"}, "model.py:10"),
    ],
    ids=["an input that ends", "python in the model"],
)
def test_what_the_system_cannot_do_is_said_with_the_users_line(
    tmp_path: Path, lines: dict[str, str], said: str
) -> None:
    """--validate_only needs no service: one screen, exit code 1, nothing left behind."""
    folder = tf_project.write(tmp_path / "p", **lines)
    model_dir = tmp_path / "m"
    done = python("run.py", "--validate_only", "--params", "params.yaml", "--model_dir", str(model_dir), cwd=folder)
    assert done.code == 1
    assert said in done.err
    assert "Traceback" not in done.err
    assert not list(model_dir.glob("cs_*"))


def test_a_badly_ordered_pipeline_is_told_of_and_runs(tmp_path: Path) -> None:
    """--validate_only names the user's line, with another order, and ends well; a good one has one line."""
    late = "data = data.cache()"
    for line, said in (
        (late, "  data.py:11: cache() behind repeat()"),
        ("pass", "performance: none, it is in good order"),
    ):
        folder = tf_project.write(tmp_path / line[:4], data_line=line)
        done = python("run.py", "--validate_only", "--params", "params.yaml", cwd=folder)
        assert done.code == 0, done.said
        assert "Suggestions to improve input_fn performance:" in done.out
        assert said in done.out


def _evaluated(text: str) -> dict[str, float]:
    said = re.search(r"Saving dict for global step \d+: (.*)", text)
    assert said is not None, text
    return {name: float(value) for name, value in (pair.split(" = ") for pair in said[1].split(", "))}
