"""Old names of TensorFlow's side, over the clients of today."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
import tensorflow as tf

from clients.tensorflow import CSEstimatorSpec as Today
from compat.dropped import getargspec, give_back_to_tensorflow
from compat.tensorflow import graphs, mixed_precision, summaries, tf_estimator
from compat.tensorflow.estimator import CerebrasEstimator
from compat.tensorflow.run_config import CSRunConfig
from compat.tensorflow.specs import CSEstimatorSpec


def test_public_wrappers_see_the_names_that_they_look_at():
    """They compare class names, and call __new__ as a named tuple's."""
    assert [each.__name__ for each in (CerebrasEstimator, CSRunConfig, CSEstimatorSpec)] == [
        "CerebrasEstimator",
        "CSRunConfig",
        "CSEstimatorSpec",
    ]

    class Wrapper(CSEstimatorSpec):
        def __new__(cls, mode, host_call=None, **kwargs):
            return super().__new__(cls, mode, host_call=host_call, **kwargs)

    with tf.Graph().as_default():
        loss = tf.constant(1.0)
        spec = Wrapper(mode="eval", loss=loss)
    assert isinstance(spec, Today)
    assert (spec.mode, spec.loss, spec.host_call) == ("eval", loss, None)


def test_tf_estimator_is_given_back(monkeypatch):
    """Its names are those of the clients; one that is not there is refused by its whole name."""
    monkeypatch.setattr(tf, "estimator", None, raising=False)
    monkeypatch.delattr(tf, "estimator")
    give_back_to_tensorflow(tf)
    assert (tf.estimator.ModeKeys.TRAIN, tf.estimator.ModeKeys.PREDICT) == ("train", "infer")
    assert all(hasattr(tf.estimator, name) for name in tf_estimator.__all__)
    with pytest.raises(AttributeError, match=r"tf\.estimator\.DNNClassifier is not supported"):
        _ = tf.estimator.DNNClassifier
    assert "labels" in getargspec(lambda features, labels: None).args
    assert inspect.ismodule(tf.estimator)
    monkeypatch.delattr(tf, "estimator")


def test_a_policy_takes_its_old_argument(caplog):
    """loss_scale=None is the policy of today; another one is said to have no effect."""
    assert mixed_precision.Policy("mixed_float16", loss_scale=None).compute_dtype == "float16"
    assert not [record for record in caplog.records if record.name == "compat"]
    mixed_precision.Policy("float32", loss_scale="dynamic")
    assert "has no effect" in caplog.text


def test_summaries_can_be_turned_off():
    """Within the context a model_fn's summaries make no operation; after it they do again."""
    with tf.Graph().as_default() as graph:
        with summaries.cs1_disable_summaries():
            tf.compat.v1.summary.scalar("loss", tf.constant(1.0))
        assert tf.compat.v1.summary.merge_all() is None
        with summaries.cs1_enable_summaries():
            tf.compat.v1.summary.scalar("loss", graph.get_tensor_by_name("Const:0"))
        assert tf.compat.v1.summary.merge_all() is not None


def test_a_checkpoint_is_read_by_name(tmp_path):
    """GetWeights gives every variable of it; layers mark tensors without changing them."""
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        tf.compat.v1.get_variable("w", initializer=np.ones(2, np.float32))
        session.run(tf.compat.v1.global_variables_initializer())
        path = tf.compat.v1.train.Saver().save(session, str(tmp_path / "model.ckpt"))
    assert {name: value.tolist() for name, value in graphs.GetWeights(path)} == {"w": [1.0, 1.0]}
    assert graphs.boundary_cast(3) == graphs.summary_layer(3) == 3
    assert graphs.summarize_tensor(3) is None
