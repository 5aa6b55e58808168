"""Calling what a user wrote."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from functools import partial
from types import ModuleType

import pytest
import tensorflow as tf

from clients.tensorflow import CSEstimatorSpec, EstimatorSpec, RunConfig
from clients.tensorflow.calls import Model, call_input_fn, features_and_labels, rows
from wire.errors import InvalidInput

PARAMS = {"a": 1}


def spec_of(seen):
    return EstimatorSpec("infer", predictions=seen)


@pytest.mark.parametrize(
    ("model_fn", "seen"),
    [
        (lambda features, labels, mode, params: spec_of([features, labels, mode, params]), ["f", "l", "infer", PARAMS]),
        (lambda features, labels, mode: spec_of([features, labels, mode]), ["f", "l", "infer"]),
        (lambda x, mode, params: spec_of([x, mode, params]), ["f", "infer", PARAMS]),
        (lambda features, *, config, mode: spec_of([features, config.tf_random_seed]), ["f", 7]),
        (lambda features, **rest: spec_of(sorted(rest)), ["config", "labels", "mode", "params"]),
        (partial(lambda own, features, mode: spec_of([own, features, mode]), "own"), ["own", "f", "infer"]),
    ],
)
def test_a_model_fn_gets_what_its_signature_has(model_fn, seen):
    """Features come first, all others by name."""
    model = Model(model_fn, PARAMS, RunConfig(tf_random_seed=7))
    assert model.build("f", "l", "infer").predictions == seen


def test_a_model_fn_cannot_change_the_params_of_the_next_call():
    """Each call gets params of its own, as the public models change theirs."""

    def model_fn(features, labels, mode, params):
        params["a"] += 1
        return spec_of(params["a"])

    model = Model(model_fn, PARAMS, RunConfig())
    assert [model.build(0, 0, "infer").predictions for _ in range(2)] == [2, 2]


def broken(features, labels, mode):
    return features + None


@pytest.mark.parametrize(
    ("model_fn", "message"),
    [
        (broken, "TypeError while building the model"),
        (lambda features, labels, mode: 3, "model_fn gives a int"),
        (lambda features, labels, mode: EstimatorSpec("eval", loss=1.0), "mode 'infer' and gives a spec for 'eval'"),
        (lambda features, labels, mode, more: 3, "wants an argument 'more'"),
        (lambda: 3, "no argument"),
    ],
)
def test_an_error_of_a_model_fn_names_the_users_line(model_fn, message):
    """Where it went wrong is a line of this file."""
    with pytest.raises(InvalidInput, match=message) as caught:
        Model(model_fn, {}, RunConfig()).build(1, 2, "infer")
    assert "test_calls.py:" in caught.value.where


@pytest.mark.parametrize(
    ("input_fn", "seen"),
    [
        (lambda params: params, PARAMS),
        (lambda params, mode: (params, mode), (PARAMS, "eval")),
        (lambda params, mode, input_context: input_context.num_input_pipelines, 1),
        (lambda: 3, 3),
        (lambda p: p, PARAMS),
        (lambda mode=5: mode, "eval"),
        (lambda other=5: other, 5),
        (lambda params, /, mode: (params, mode), (PARAMS, "eval")),
    ],
)
def test_an_input_fn_gets_what_its_signature_has(input_fn, seen):
    """params, mode and input_context by name; one argument of another name is params."""
    assert call_input_fn(input_fn, PARAMS, "eval") == seen


def test_an_input_context_of_a_shard_is_handed_on():
    """Who shards says which pipeline of how many this is."""
    context = tf.distribute.InputContext(4, 3, 1)
    assert call_input_fn(lambda input_context: input_context.input_pipeline_id, {}, "train", context) == 3


def test_an_input_fn_that_wants_more_is_refused():
    """Arguments that nobody gives are named."""
    with pytest.raises(InvalidInput, match="'one'"):
        call_input_fn(lambda one, two: 3, {}, "train")


def test_a_batch_is_features_and_labels():
    """A pair, or features alone; a dataset's batches, or tensors as they are."""
    dataset = tf.data.Dataset.from_tensors(({"x": [1.0, 2.0]}, [3]))
    with tf.Graph().as_default():
        features, labels = features_and_labels(tf.data.Dataset.from_tensors(({"x": [1.0, 2.0]}, [3])))
        assert (features["x"].shape, labels.shape) == ([2], [1])
        assert features_and_labels(("f", "l")) == ("f", "l")
        assert features_and_labels({"x": 1}) == ({"x": 1}, None)
    for wrong, message in ((None, "gives None"), ((1, 2, 3), "3 parts")):
        with pytest.raises(InvalidInput, match=message):
            features_and_labels(wrong)
    assert dataset.element_spec[1].shape == [1]


def test_the_rows_of_a_batch_are_counted():
    """Fixed where the shape says so, else a tensor; 0 without tensors."""
    assert rows(({"b": tf.zeros([5, 2])}, tf.zeros([5]))) == 5
    assert rows(("text", 3)) == 0
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        batch = tf.compat.v1.placeholder(tf.float32, [None, 2])
        assert session.run(rows(batch), {batch: [[1, 2]] * 3}) == 3


def test_a_host_call_is_made_in_the_graph():
    """Off the system a CSEstimatorSpec becomes an EstimatorSpec, with metrics in evaluation."""

    def model_fn(features, labels, mode):
        metrics = {"m": tf.compat.v1.metrics.mean(features)}
        return CSEstimatorSpec(mode, host_call=(lambda values: metrics, [features]), loss=tf.reduce_sum(features))

    with tf.Graph().as_default():
        spec = Model(model_fn, {}, RunConfig()).build_plain(tf.zeros([2]), None, "eval")
    assert isinstance(spec, EstimatorSpec)
    assert list(spec.eval_metric_ops) == ["m"]


def test_layers_of_keras_3_are_refused(monkeypatch):
    """Who imported tensorflow.keras before us has another Keras; the error says how to get the right one."""
    model = Model(spec_of, {}, RunConfig())
    for place, refused in (("site/tf_keras/api/_v2/keras/__init__.py", False), ("site/keras/_tf_keras/keras.py", True)):
        module = ModuleType("tensorflow.keras")
        module.__file__ = place
        monkeypatch.setitem(sys.modules, "tensorflow.keras", module)
        with pytest.raises(InvalidInput, match="Keras 3") if refused else nullcontext():
            model.build("f", None, "infer")
