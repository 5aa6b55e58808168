"""Capture: what becomes of a model_fn, and what is refused."""

from __future__ import annotations

import functools
from typing import Any

import model_fns
import numpy as np
import pytest
import tensorflow as tf
import tf_keras
from model_fns import Spec

from clients.tensorflow.capture import capture
from wafer_sim.compiler.dataflow import GRAD, OPTIMIZER
from wafer_sim.compiler.program import EVALUATE, GRADIENTS, Entry, Tensor
from wafer_sim.runtime.opening import open_executor
from wire.errors import Fault, InvalidInput, Refused

v1 = tf.compat.v1
TRAIN = Entry(GRADIENTS, 4)
ELEMENT = (tf.TensorSpec((None, 3), tf.float32), tf.TensorSpec((None,), tf.float32))


def loss_of(features: Any, labels: Any) -> Any:
    kernel = v1.get_variable("kernel", (3, 1))
    return tf.reduce_mean(tf.square(tf.squeeze(features @ kernel, 1) - labels))


def sgd(loss: Any, rate: float = 0.1) -> Any:
    return v1.train.GradientDescentOptimizer(rate).minimize(loss, v1.train.get_or_create_global_step())


def plain(features: Any, labels: Any, mode: str, rate: float = 0.1) -> Spec:
    loss = loss_of(features, labels)
    return Spec(loss, sgd(loss, rate))


def py_function(features: Any, labels: Any, mode: str) -> Spec:
    squared = tf.py_function(lambda x: x * x, [features], tf.float32)
    squared.set_shape(features.shape)
    loss = loss_of(squared, labels)
    return Spec(loss, sgd(loss))


def numpy_function(features: Any, labels: Any, mode: str) -> Spec:
    scale = tf.numpy_function(lambda x: x.mean(), [features], tf.float32)
    scale.set_shape(())
    loss = loss_of(features, labels) * scale
    return Spec(loss, sgd(loss))


def metrics_in_the_model(features: Any, labels: Any, mode: str) -> Spec:
    loss = loss_of(features, labels)
    v1.metrics.mean(loss)
    return Spec(loss, sgd(loss))


def keras_metric(features: Any, labels: Any, mode: str) -> Spec:
    loss = loss_of(features, labels)
    tf_keras.metrics.Mean().update_state(loss)
    return Spec(loss, sgd(loss))


def eval_metrics_in_training(features: Any, labels: Any, mode: str) -> Spec:
    loss = loss_of(features, labels)
    return Spec(loss, sgd(loss), {"loss": (loss, loss)})


def asserting(features: Any, labels: Any, mode: str) -> Spec:
    with tf.control_dependencies([v1.assert_positive(labels)]):
        loss = loss_of(features, tf.identity(labels))
    return Spec(loss, sgd(loss))


def no_scalar(features: Any, labels: Any, mode: str) -> Spec:
    loss = loss_of(features, labels)
    return Spec(tf.reshape(loss, (1,)), sgd(loss))


def no_train_op(features: Any, labels: Any, mode: str) -> Spec:
    return Spec(loss_of(features, labels))


def no_optimizer(features: Any, labels: Any, mode: str) -> Spec:
    return Spec(loss_of(features, labels), v1.assign_add(v1.train.get_or_create_global_step(), 1))


def a_file(features: Any, labels: Any, mode: str) -> Spec:
    scale = tf.strings.to_number(tf.io.read_file("/etc/hostname"))
    loss = loss_of(features, labels) * scale
    return Spec(loss, sgd(loss))


def data_shaped(features: Any, labels: Any, mode: str) -> Spec:
    loss = loss_of(features, labels) + tf.reduce_sum(tf.boolean_mask(labels, labels > 0))
    return Spec(loss, sgd(loss))


def old_variable(features: Any, labels: Any, mode: str) -> Spec:
    v1.get_variable("old", (2,), use_resource=False)
    return plain(features, labels, mode)


def broken(features: Any, labels: Any, mode: str) -> Spec:
    return Spec(features @ labels)


def line(function: Any, text: str) -> str:
    """Where in this file a model_fn has this text."""
    import inspect

    lines, first = inspect.getsourcelines(function)
    return f"test_capture.py:{first + next(n for n, each in enumerate(lines) if text in each)}"


@pytest.mark.parametrize(
    ("model_fn", "kind", "says", "at"),
    [
        (py_function, Refused, "EagerPyFunc", "tf.py_function"),
        (numpy_function, Refused, "PyFunc", "tf.numpy_function"),
        (metrics_in_the_model, Refused, "host_call instead", "v1.metrics.mean"),
        (keras_metric, Refused, "host_call instead", "tf_keras.metrics"),
        (eval_metrics_in_training, Refused, "host_call instead", ""),
        (asserting, Refused, "Assert", "v1.assert_positive"),
        (no_scalar, InvalidInput, "shape (1,)", "tf.reshape"),
        (no_train_op, InvalidInput, "no train_op", ""),
        (no_optimizer, InvalidInput, "no optimizer", ""),
        (a_file, Refused, "ReadFile", "tf.io.read_file"),
        (data_shaped, Refused, "Where", "tf.boolean_mask"),
        (old_variable, Refused, "'old'", "v1.get_variable"),
        (broken, InvalidInput, "ValueError", "features @ labels"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_what_the_wafer_cannot_do_is_refused(model_fn: Any, kind: type[Fault], says: str, at: str) -> None:
    """It names the operation and the user's own line, and says what to do."""
    with pytest.raises(kind) as refusal:
        capture(model_fn, ELEMENT, [TRAIN])
    assert says in str(refusal.value)
    assert refusal.value.fix
    assert not at or line(model_fn, at) in refusal.value.where


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        (tf.TensorSpec((None, None), tf.float32), "every length"),
        (tf.TensorSpec(None, tf.float32), "every length"),
        (tf.TensorSpec((None, 3), tf.string), "string"),
        (tf.RaggedTensorSpec((None, None), tf.float32), "RaggedTensorSpec"),
    ],
)
def test_an_element_of_no_fixed_shape_is_refused(spec: Any, says: str) -> None:
    """The sentence names the field of the user's structure."""
    with pytest.raises(InvalidInput, match=says) as refusal:
        capture(plain, ({"x": spec}, None), [TRAIN])
    assert "'0.x'" in str(refusal.value)


def test_the_same_model_is_the_same_program_and_the_same_weights() -> None:
    """The seed makes the weights and nothing else; the digest leaves rates out."""
    one, again, other = (capture(plain, ELEMENT, [TRAIN], seed=seed) for seed in (1, 1, 2))
    assert one.program == again.program == other.program
    assert np.array_equal(one.initial_weights["kernel"], again.initial_weights["kernel"])
    assert not np.array_equal(one.initial_weights["kernel"], other.initial_weights["kernel"])
    faster = capture(functools.partial(plain, rate=0.2), ELEMENT, [TRAIN])
    assert faster.program != one.program
    assert faster.program.digest() == one.program.digest()


def test_a_dropout_rate_is_not_part_of_the_digest() -> None:
    """Two rates are one executable; another width is another one."""
    entries, element = [TRAIN, Entry(EVALUATE, 4)], model_fns.specs("layered")
    half, third = (
        capture(functools.partial(model_fns.layered, rate=rate), element, entries).program for rate in (0.5, 0.3)
    )
    assert half.to_json() != third.to_json()
    assert half.digest() == third.digest()
    wider = (tf.TensorSpec((None, 7), tf.float32), element[1])
    assert capture(model_fns.layered, wider, entries).program.digest() != half.digest()


def test_nodes_carry_the_users_lines() -> None:
    """Forward operations and those of the backward pass, which name the line that they are the gradient of."""
    graph = capture(model_fns.convolutional, model_fns.specs("convolutional"), [TRAIN]).program.graphs[TRAIN]
    lines = {node.op: node.source for node in graph.nodes}
    assert lines["Conv2D"].startswith("model_fns.py:")
    assert lines["Conv2DBackpropFilter"] == lines["Conv2D"]


def test_inputs_have_the_names_and_order_of_a_batch() -> None:
    """As streamer.structure names the arrays; the batch dimension is the entry's."""
    program = capture(model_fns.clipped, model_fns.specs("clipped"), [TRAIN]).program
    assert program.inputs == (
        Tensor("0.x", (4,), "float32"),
        Tensor("0.words", (2,), "int32"),
        Tensor("1", (), "int32"),
    )


def test_the_users_process_is_left_as_it_was() -> None:
    """Eager execution, the default graph and the class Optimizer are as before, after a failure too."""
    before = v1.train.Optimizer.compute_gradients, v1.train.Optimizer.__init__
    for model_fn in (plain, broken):
        try:
            capture(model_fn, ELEMENT, [TRAIN])
        except InvalidInput:
            assert model_fn is broken
    assert (v1.train.Optimizer.compute_gradients, v1.train.Optimizer.__init__) == before
    assert tf.executing_eagerly()


def vector_metric(features: Any, labels: Any, mode: str) -> Spec:
    return Spec(loss_of(features, labels), eval_metric_ops={"each": v1.metrics.mean_tensor(labels)})


def batch_metric(features: Any, labels: Any, mode: str) -> Spec:
    loss = loss_of(features, labels)
    return Spec(loss, eval_metric_ops={"loss": (loss * 2.0, loss)})


def no_metric(features: Any, labels: Any, mode: str) -> Spec:
    return Spec(loss_of(features, labels), host_call=(lambda x: [x], [labels]))


@pytest.mark.parametrize(
    ("model_fn", "says"),
    [(vector_metric, "one number"), (batch_metric, "depends on the batch"), (no_metric, "host_call gives a list")],
)
def test_a_metric_that_cannot_be_counted_is_refused(model_fn: Any, says: str) -> None:
    """A metric is one number, computed from what its update counted."""
    with pytest.raises(Fault, match=says):
        capture(model_fn, ELEMENT, [Entry(EVALUATE, 4)])


class Scaled(v1.train.Optimizer):
    """Loss scaling around another optimizer."""

    def __init__(self, inner: Any) -> None:
        super().__init__(use_locking=False, name="Scaled")
        self._inner = inner

    def compute_gradients(self, loss: Any, *args: Any, **kwargs: Any) -> Any:
        pairs = self._inner.compute_gradients(loss * 128.0, *args, **kwargs)
        return [(gradient / 128.0, variable) for gradient, variable in pairs]

    def apply_gradients(self, *args: Any, **kwargs: Any) -> Any:
        return self._inner.apply_gradients(*args, **kwargs)


def scaled(features: Any, labels: Any, mode: str) -> Spec:
    loss = loss_of(features, labels)
    optimizer = Scaled(v1.train.MomentumOptimizer(0.1, 0.9))
    with tf.control_dependencies([loss]):
        return Spec(loss, optimizer.minimize(loss, v1.train.get_or_create_global_step()))


def twice(features: Any, labels: Any, mode: str) -> Spec:
    loss = loss_of(features, labels)
    return Spec(loss, tf.group(sgd(loss), v1.train.AdamOptimizer(0.1).minimize(loss)))


def test_a_gradient_is_cut_inside_of_wrappers_and_once_for_each_optimizer() -> None:
    """Loss scaling happens around the cut; two optimizers of one variable have a gradient each."""
    program = capture(scaled, ELEMENT, [TRAIN]).program
    assert [name for name in program.graphs[TRAIN].feeds if name.startswith(GRAD)] == ["grad/kernel"]
    assert {p.tensor.name for p in program.parameters if p.role == OPTIMIZER} == {"kernel/Momentum"}
    program = capture(twice, ELEMENT, [TRAIN]).program
    assert {"grad/kernel", "grad/kernel#2"} <= program.graphs[TRAIN].feeds.keys()


OPTIMIZERS = {
    "GradientDescent": (0.1,),
    "Momentum": (0.1, 0.9),
    "Adam": (0.1,),
    "Adagrad": (0.1,),
    "Adadelta": (0.1,),
    "Ftrl": (0.1,),
    "RMSProp": (0.1,),
    "ProximalGradientDescent": (0.1, 0.01),
    "ProximalAdagrad": (0.1,),
}


@pytest.mark.parametrize("name", [*OPTIMIZERS, "AdagradDA", "CenteredRMSProp"])
def test_every_optimizer_of_tensorflow_trains(name: str) -> None:
    """An update of each is captured, passes the check and changes the weights."""

    def model_fn(features: Any, labels: Any, mode: str) -> Spec:
        loss, step = loss_of(features, labels), v1.train.get_or_create_global_step()
        if name == "AdagradDA":
            optimizer = v1.train.AdagradDAOptimizer(0.1, step)
        elif name == "CenteredRMSProp":
            optimizer = v1.train.RMSPropOptimizer(0.1, centered=True)
        else:
            optimizer = getattr(v1.train, f"{name}Optimizer")(*OPTIMIZERS[name])
        return Spec(loss, optimizer.minimize(loss, step))

    made = capture(model_fn, ELEMENT, [TRAIN])
    executor = open_executor(made.program, made.state())
    batch = [np.ones((4, 3), np.float32), np.ones(4, np.float32)]
    executor.apply(executor.gradients(batch, seed=0, step=0, replica=0).tensors, 0)
    assert not np.array_equal(executor.state().weights["kernel"], made.initial_weights["kernel"])
    assert executor.state().weights["global_step"] == 1
