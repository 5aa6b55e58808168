"""What a model_fn may give."""

from __future__ import annotations

import pytest
import tensorflow as tf

from clients.tensorflow import CSEstimatorSpec, EstimatorSpec, ModeKeys
from wire.errors import InvalidInput


def test_modes_have_the_values_of_tf_estimator():
    """Old code compares with these texts."""
    assert (ModeKeys.TRAIN, ModeKeys.EVAL, ModeKeys.PREDICT) == ("train", "eval", "infer")


def test_the_classes_are_called_as_csoft_calls_them():
    """Public wrappers look at the names of classes."""
    assert (CSEstimatorSpec.__name__, EstimatorSpec.__name__) == ("CSEstimatorSpec", "EstimatorSpec")


@pytest.mark.parametrize("kind", [EstimatorSpec, CSEstimatorSpec])
@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"mode": "train"}, "needs a loss"),
        ({"mode": "train", "loss": 1.0}, "needs a train_op"),
        ({"mode": "eval"}, "needs a loss"),
        ({"mode": "infer"}, "needs a predictions"),
        ({"mode": "evl", "loss": 1.0}, "did you mean 'eval'"),
        ({"mode": "eval", "loss": tf.zeros([4])}, r"shape \(4,\), not one value"),
    ],
)
def test_what_a_mode_needs_must_be_there(kind, parts, message):
    """A part that is missing or wrong is named, with what to write."""
    with pytest.raises(InvalidInput, match=message):
        kind(**parts)


@pytest.mark.parametrize("metrics", [{"accuracy": 0.5}, {"accuracy": (1, 2, 3)}, [1]])
def test_metrics_are_pairs(metrics):
    """A metric that is no (value, update) is refused in evaluation."""
    with pytest.raises(InvalidInput):
        EstimatorSpec("eval", loss=1.0, eval_metric_ops=metrics)


def test_what_has_no_effect_is_said(caplog):
    """export_outputs is taken and said to do nothing."""
    EstimatorSpec("infer", predictions=1.0, export_outputs={"a": 1})
    assert "export_outputs has no effect" in caplog.text
