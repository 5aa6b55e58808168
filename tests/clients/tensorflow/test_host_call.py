"""host_call: a function of the host and the tensors it gets."""

from __future__ import annotations

import pytest
import tensorflow as tf

from clients.tensorflow import CSEstimatorSpec, host_call_to_eval_metric_ops, validate_host_call
from wire.errors import InvalidInput


def mean_of(values):
    return {"mean": tf.compat.v1.metrics.mean(values)}


@pytest.mark.parametrize(
    ("host_call", "message"),
    [
        (mean_of, "no pair"),
        (("mean_of", []), "no function"),
        ((mean_of, tf.zeros([2])), "not a list of tensors"),
        ((mean_of, [3]), "tensor 0 of host_call is a int"),
        ((mean_of, []), "does not take 0 tensors"),
        ((mean_of, [tf.zeros([2]), tf.zeros([2])]), "does not take 2 tensors"),
    ],
)
def test_a_host_call_is_a_function_and_its_tensors(host_call, message):
    """Anything else is refused, alone and in a spec."""
    with pytest.raises(InvalidInput, match=message):
        validate_host_call(host_call)
    with pytest.raises(InvalidInput, match=message):
        CSEstimatorSpec("eval", host_call=host_call, loss=1.0)


def test_it_becomes_metrics():
    """The function is called with the tensors, in the default graph."""
    with tf.Graph().as_default() as graph:
        value, update = host_call_to_eval_metric_ops((mean_of, [tf.constant([1.0, 3.0])]))["mean"]
        with tf.compat.v1.Session() as session:
            session.run(tf.compat.v1.local_variables_initializer())
            session.run(update)
            assert session.run(value) == 2.0
    assert value.graph is graph


def test_a_function_without_metrics_is_refused_with_its_place():
    """Evaluation wants a dict; the error says where the function is."""
    with pytest.raises(InvalidInput, match="gives a list") as caught:
        host_call_to_eval_metric_ops((lambda: [], []))
    assert "test_host_call.py:" in caught.value.where
