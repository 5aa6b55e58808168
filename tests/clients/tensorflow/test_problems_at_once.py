"""Validate tells all problems of a TensorFlow project that do not need each other, each with the user's line."""

from __future__ import annotations

import inspect
import sys
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf
import yaml
from small_project import POINTS, VALUES

from clients.tensorflow import CerebrasEstimator, CSRunConfig, EstimatorSpec, run
from wire.errors import Fault, InvalidInput, Refused
from wire.findings import Several

v1 = tf.compat.v1
HERE = Path(__file__).name


def problems(tmp_path: Path, model_fn: Any, input_fn: Any, **runconfig: Any) -> dict[str, Fault]:
    """What validate finds, by where it is; it leaves nothing."""
    params = {"runconfig": runconfig, "train_input": {"batch_size": 16}, "csconfig": {"use_cbfloat16": True}}
    estimator = CerebrasEstimator(model_fn, tmp_path / "m", CSRunConfig(), params)
    with pytest.raises(Several) as found:
        estimator.compile(input_fn, validate_only=True)
    assert not (tmp_path / "m").exists()
    return {fault.where.rpartition("/")[2]: fault for fault in found.value.faults}


def at(function: Any, text: str) -> str:
    """The line of a function that has this text."""
    lines, first = inspect.getsourcelines(function)
    return f"{HERE}:{first + next(n for n, line in enumerate(lines) if text in line)}"


def ends() -> Any:
    """Batches of one size, and then no more."""
    return tf.data.Dataset.from_tensor_slices(({"x": POINTS}, VALUES)).batch(16, drop_remainder=True)


def wrong(features: Any, labels: Any, mode: str) -> EstimatorSpec:
    """Two operations without a kernel, hooks, and metrics in training."""
    kernel = v1.get_variable("kernel", (3, 1))
    doubled = tf.py_function(lambda x: 2 * x, [features["x"]], tf.float32)
    doubled.set_shape(features["x"].shape)
    scale = tf.strings.to_number(tf.io.read_file("scale"))
    loss = tf.reduce_mean(tf.square(tf.squeeze(doubled @ kernel, 1) * scale - labels))
    train_op = v1.train.GradientDescentOptimizer(0.1).minimize(loss, v1.train.get_global_step())
    return EstimatorSpec(
        mode, loss=loss, train_op=train_op, training_hooks=[object()], eval_metric_ops={"m": v1.metrics.mean(loss)}
    )


def test_input_params_and_model_are_told_together(tmp_path: Path) -> None:
    """An input that ends, a batch that replicas cannot share, cbfloat16, hooks, metrics, and each kernel's line."""
    found = problems(tmp_path, wrong, ends, multireplica=True, num_replicas=3)
    said = "\n".join(map(str, found.values()))
    for text in ("the training input ends", "split among 3 replicas", "no cbfloat16", "the Metrics API cannot be used"):
        assert text in said
    assert found[at(ends, "def ends")].what.startswith("the training input ends")
    spec = [f for f in found.values() if f.where == at(wrong, "return EstimatorSpec(")]
    assert [type(fault) for fault in spec] == [Refused]
    (kernels,) = (fault for where, fault in found.items() if "," in where)
    assert "no kernel for 3 of the model's operations: EagerPyFunc" in kernels.what
    assert {at(wrong, "tf.py_function"), at(wrong, "read_file")} <= set(kernels.where.split(", "))


def untrained(features: Any, labels: Any, mode: str) -> Any:
    """No train_op, and an operation without a kernel."""
    kernel = v1.get_variable("kernel", (3, 1))
    scale = tf.strings.to_number(tf.io.read_file("scale"))
    loss = tf.reduce_mean(tf.squeeze(features["x"] @ kernel, 1) * scale)
    spec = EstimatorSpec("eval", loss=loss)
    object.__setattr__(spec, "mode", mode)
    return spec


def ragged() -> Any:
    """Texts, a shape that nobody knows, and batches of any size."""
    data = {"x": POINTS, "words": ["a"] * len(VALUES)}
    return tf.data.Dataset.from_tensor_slices((data, VALUES)).map(_vague).batch(16).repeat()


def _vague(features: Any, labels: Any) -> Any:
    return {**features, "y": tf.py_function(lambda x: x, [features["x"]], tf.float32)}, labels


def test_a_model_without_an_update_is_looked_at_all_the_same(tmp_path: Path) -> None:
    """What its loss needs has no kernel, whatever it is trained by."""
    found = problems(tmp_path, untrained, lambda: ends().repeat())
    said = {where: fault.what for where, fault in found.items()}
    assert said[at(untrained, "spec = EstimatorSpec(")] == "the model_fn gives no train_op in training"
    assert any("ReadFile" in what for what in said.values())


def test_every_field_that_cannot_travel_is_told(tmp_path: Path) -> None:
    """With the line of the input_fn; batches of any size are told once."""
    params = {"train_input": {"batch_size": 16}}
    estimator = CerebrasEstimator(untrained, tmp_path, CSRunConfig(), params)
    with pytest.raises(Several) as found:
        estimator.compile(ragged, validate_only=True)
    assert [fault.what for fault in found.value.faults] == [
        "nobody knows the shape of field '0.y'",
        "the batches of field '0.x' may have different sizes",
    ]
    assert all(fault.where.endswith(at(ragged, "def ragged")) for fault in found.value.faults)


def test_data_that_is_not_there_hides_no_problem_of_the_params(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Both are on one screen; a model cannot be built without its data."""
    params = {"train_input": {"data_dir": "nowhere"}, "optimizer": {}, "csconfig": {"use_cbfloat16": True}}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params))
    words = ["run.py", "--params", str(tmp_path / "params.yaml"), "--validate_only"]
    monkeypatch.setattr(sys, "argv", words)
    with pytest.raises(SystemExit):
        run(wrong, ends)
    error = capsys.readouterr().err
    assert error.count("error: ") == 2
    assert "train_input.data_dir is 'nowhere'" in error
    assert "no cbfloat16" in error


def test_a_wrong_spec_names_the_line_that_makes_it() -> None:
    """Not the model_fn, and not this project's own lines."""

    def made() -> Any:
        return EstimatorSpec("train", loss=1.0)

    with pytest.raises(InvalidInput, match="needs a train_op") as raised:
        made()
    assert raised.value.where == at(made, "return EstimatorSpec(")
