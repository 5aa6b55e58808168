"""An estimator's work on the system: what becomes of its config, and what is refused before anybody is asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from small_project import POINTS, VALUES, line, points

from clients.tensorflow import CerebrasEstimator, CSRunConfig, EstimatorSpec
from clients.tensorflow.backends import Setup
from clients.tensorflow.calls import Model
from clients.tensorflow.capturing import captured_job
from clients.tensorflow.wafer_backend import _job
from streamer.advice import pipelines
from wafer_sim.executables import read_executable
from wafer_sim.runtime.opening import open_executor
from wire.errors import Fault, InvalidInput, NotFound, Refused


def setup(folder: Path, params: dict[str, Any] | None = None, model_fn: Any = line, **keys: Any) -> Setup:
    config = CSRunConfig(cs_ip="localhost:1", **keys)
    return Setup(Model(model_fn, params or {}, config), folder, config)


def estimator(folder: Path, **keys: Any) -> CerebrasEstimator:
    return CerebrasEstimator(line, folder, CSRunConfig(cs_ip="localhost:1", **keys))


def full(params: dict[str, Any], mode: str) -> Any:
    """Batches of one size, without end."""
    return points(params, mode).unbatch().batch(16, drop_remainder=True)


def ends(params: dict[str, Any], mode: str) -> Any:
    """Batches of one size, and then no more."""
    return full({"epochs": 2}, mode)


def test_config_and_runconfig_make_the_job(tmp_path: Path) -> None:
    """The estimator's own keys are its config's; the system's are those of params["runconfig"]."""
    runconfig = {"num_workers": 3, "multireplica": True, "max_steps": 9, "keep_checkpoint_max": 9, "other": 1}
    given = setup(tmp_path, {"runconfig": runconfig}, tf_random_seed=5, save_checkpoints_steps=7, keep_checkpoint_max=2)
    config = _job(given, "train", points, num_steps=4).config
    assert (config.workers, config.multireplica, config.max_steps, config.num_steps) == (3, True, None, 4)
    assert (config.seed, config.checkpoint_steps, config.keep_checkpoint_max) == (5, 7, 2)


@pytest.mark.parametrize(
    ("asked", "fault", "said"),
    [
        (lambda e: e.train(points, steps=1, hooks=[object()]), Refused, "host_call instead"),
        (lambda e: e.train(points, steps=1, saving_listeners=[object()]), Refused, "host_call instead"),
        (lambda e: e.train(points), InvalidInput, "pass steps=... or max_steps=..."),
        (lambda e: e.evaluate(points, hooks=[object()]), Refused, "hooks cannot run on the system"),
        (lambda e: e.predict(points), Refused, "use_cs=False"),
    ],
    ids=["hooks", "listeners", "no length", "evaluation hooks", "prediction"],
)
def test_what_the_system_will_not_do_is_refused(tmp_path: Path, asked: Any, fault: type[Fault], said: str) -> None:
    """Before a coordinator is asked, and with the way to go."""
    with pytest.raises(fault) as raised:
        asked(estimator(tmp_path))
    assert said in raised.value.screen()


def test_a_dataset_that_ends_cannot_train(tmp_path: Path) -> None:
    """The system trains for as many steps as it is told."""
    given = setup(tmp_path)
    with pytest.raises(InvalidInput, match="input ends") as raised:
        captured_job(given, _job(given, "train", ends, num_steps=1))
    assert raised.value.fix == "add .repeat() to the dataset of input_fn"


def test_an_input_that_is_no_dataset_cannot_feed_the_system(tmp_path: Path) -> None:
    """Tensors of a graph cannot be walked by workers."""

    def tensors(params: dict[str, Any]) -> Any:
        return {"x": tf.zeros((4, 3))}, tf.zeros(4)

    given = setup(tmp_path)
    with pytest.raises(InvalidInput, match="gives a tuple"):
        captured_job(given, _job(given, "train", tensors, num_steps=1))


def test_hooks_of_a_spec_are_refused(tmp_path: Path) -> None:
    """They would have to run between steps; the error names the model_fn."""

    def hooked(features: Any, labels: Any, mode: str, params: dict[str, Any]) -> EstimatorSpec:
        made = line(features, labels, mode, params)
        return EstimatorSpec(mode, loss=made.loss, train_op=made.train_op, training_hooks=[object()])

    given = setup(tmp_path, model_fn=hooked)
    with pytest.raises(Refused, match="training_hooks"):
        captured_job(given, _job(given, "train", full, num_steps=1))


def test_a_review_measures_and_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It names the line of the input_fn, and the weights that a run begins with are those of one without it."""
    monkeypatch.setattr(pipelines, "_WORTH", 0.0)  # how much quicker another order is here is no matter

    def slow(params: dict[str, Any], mode: str) -> Any:
        data = (
            points({"batch_size": 48}, mode).unbatch().map(lambda x, y: (x, tf.sin(tf.cos(tf.abs(y * 2 + 1) / 3 - 4))))
        )
        return data.batch(16, drop_remainder=True)

    given = setup(tmp_path, tf_random_seed=4)
    job = _job(given, "train", slow, num_steps=1)
    untouched = captured_job(given, job).begin()[1]
    captured = captured_job(given, job)
    review = captured.review()
    assert review is not None
    (remark,) = review.remarks
    assert remark.where.startswith("test_wafer_backend.py:")
    assert remark.gain.startswith("this map() alone, in batches of 16:")
    begun = captured.begin()[1]
    assert {name: array.tobytes() for name, array in begun.weights.items()} == {
        name: array.tobytes() for name, array in untouched.weights.items()
    }


def test_a_plain_loops_checkpoint_is_gone_on_from(tmp_path: Path) -> None:
    """A model_dir that was trained off the system begins on it at that step, with those weights."""
    CerebrasEstimator(line, tmp_path, CSRunConfig()).train(full, steps=3)
    held = tf.train.load_checkpoint(str(tmp_path / "model.ckpt-3"))
    given = setup(tmp_path)
    step, state = captured_job(given, _job(given, "train", full, num_steps=1)).begin()
    assert step == 3
    assert state.weights["slope"].tobytes() == held.get_tensor("slope").tobytes()


def test_a_plain_loops_checkpoint_is_not_evaluated_on_the_system(tmp_path: Path) -> None:
    """The error names the checkpoint and says where it can be evaluated; no coordinator is asked."""
    CerebrasEstimator(line, tmp_path, CSRunConfig()).train(full, steps=3)
    with pytest.raises(NotFound, match="was written off the system: there is no checkpoint_3") as raised:
        estimator(tmp_path).evaluate(full)
    assert "without cs_ip" in raised.value.screen()


def test_a_validation_leaves_nothing(tmp_path: Path) -> None:
    """No executable, no checkpoint, no params; a compile leaves the executable."""
    estimator(tmp_path).compile(full, validate_only=True)
    assert list(tmp_path.iterdir()) == []
    estimator(tmp_path).compile(full)
    assert [path.name[:3] for path in tmp_path.iterdir()] == ["cs_"]


def decayed(features: Any, labels: Any, mode: str, params: dict[str, Any]) -> EstimatorSpec:
    """The line, with a rate that falls; its first step is of the whole rate."""
    v1 = tf.compat.v1
    rate = v1.train.exponential_decay(params["rate"], v1.train.get_global_step(), params["steps"], 0.9)
    return line(features, labels, mode, {"rate": rate})


def test_a_changed_schedule_finds_the_cached_compile_and_trains_with_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Rate and steps are patched into the executable, and said; twice the rate goes twice as far."""
    caplog.set_level("INFO")
    went = []
    for params in ({"rate": 0.1, "steps": 100}, {"rate": 0.2, "steps": 500}):
        given = setup(tmp_path, params, decayed, tf_random_seed=1)
        CerebrasEstimator(decayed, tmp_path, given.config, params).compile(full)
        (path,) = tmp_path.glob("cs_*")
        state = captured_job(given, _job(given, "train", full, num_steps=1)).begin()[1]
        executor = open_executor(read_executable(path), state)
        executor.apply(executor.gradients([POINTS[:16], VALUES[:16]], seed=0, step=0, replica=0).tensors, 0)
        went.append(executor.state().weights["slope"] - state.weights["slope"])
    assert "Compile was cached; patched: " in caplog.text
    for said in ("ExponentialDecay/initial_learning_rate at ", " 0.1 -> 0.2", " 100 -> 500"):
        assert said in caplog.text
    np.testing.assert_allclose(went[1], 2 * went[0], rtol=1e-5)
    assert np.abs(went[0]).max() > 0
