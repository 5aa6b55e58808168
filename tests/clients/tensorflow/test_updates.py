"""A train_op that does more than apply gradients: moving averages, loss scaling, branches; and what is refused."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from model_fns import Spec
from plain_session import Plain

from clients.tensorflow.capture import Captured, capture
from wafer_sim.compiler.dataflow import BUFFER, OPTIMIZER
from wafer_sim.compiler.program import GRADIENTS, Entry
from wafer_sim.compiler.reading import read_program
from wafer_sim.replicas import Replicas
from wafer_sim.runtime.opening import open_executor
from wafer_sim.runtime.protocol import Executor
from wire.errors import Fault, InvalidInput, Refused

pytestmark = pytest.mark.filterwarnings("ignore:`tf.layers.batch_normalization` is deprecated:UserWarning")

v1 = tf.compat.v1
layers = tf.keras.layers
ELEMENT = (tf.TensorSpec((None, 6), tf.float32), tf.TensorSpec((None,), tf.float32))
ENTRIES = [Entry(GRADIENTS, 8), Entry(GRADIENTS, 4)]
ModelFn = Callable[[Any, Any, str], Spec]
Batch = Sequence[np.ndarray[Any, Any]]


def loss_of(features: Any, labels: Any) -> Any:
    kernel = v1.get_variable("kernel", (features.shape[-1], 1), initializer=v1.random_normal_initializer(0.0, 0.1))
    return tf.reduce_mean(tf.square(tf.squeeze(features @ kernel, 1) - labels))


def momentum() -> Any:
    return v1.train.MomentumOptimizer(0.05, 0.9)


def minimized(loss: Any, optimizer: Any = None) -> Any:
    return (optimizer or momentum()).minimize(loss, v1.train.get_or_create_global_step())


def normalized(features: Any, labels: Any, mode: str) -> Spec:
    """As TensorFlow's documents wrote it: the moving averages come before the gradients, by UPDATE_OPS."""
    loss = loss_of(v1.layers.batch_normalization(features, training=True), labels)
    with tf.control_dependencies(v1.get_collection(v1.GraphKeys.UPDATE_OPS)):
        return Spec(loss, minimized(loss))


def keras_normalized(features: Any, labels: Any, mode: str) -> Spec:
    """Keras' layer, fused, whose updates the user groups with the train_op."""
    layer = layers.BatchNormalization()
    maps = layer(tf.reshape(features, (-1, 3, 2, 1)), training=True)
    loss = loss_of(tf.reshape(maps, (-1, 6)), labels)
    return Spec(loss, tf.group(minimized(loss), *layer.updates))


def loss_scaled(features: Any, labels: Any, mode: str) -> Spec:
    """Dynamic loss scaling around clipping; the scale is doubled after two good steps."""
    loss, scale = loss_of(features, labels), v1.mixed_precision.DynamicLossScale(2.0**10, 2)
    optimizer = v1.mixed_precision.MixedPrecisionLossScaleOptimizer(momentum(), scale)
    gradients, variables = zip(*optimizer.compute_gradients(loss), strict=True)
    clipped, _ = tf.clip_by_global_norm(gradients, 1.0)
    step = v1.train.get_or_create_global_step()
    return Spec(loss, optimizer.apply_gradients(zip(clipped, variables, strict=True), step))


def branching(features: Any, labels: Any, mode: str) -> Spec:
    """A branch by the data in the model, and one by the step in the update."""
    features = tf.cond(tf.reduce_mean(labels) > 0, lambda: features * 2.0, lambda: features - 1.0)
    loss, step = loss_of(features, labels), v1.train.get_or_create_global_step()
    rate = tf.cond(step < 5, lambda: 0.01, lambda: 0.05)
    return Spec(loss, minimized(loss, v1.train.GradientDescentOptimizer(rate)))


def unrolled(features: Any, labels: Any, mode: str) -> Spec:
    """A recurrent layer of a fixed length."""
    loss = loss_of(layers.LSTM(3, unroll=True)(tf.reshape(features, (-1, 3, 2))), labels)
    return Spec(loss, minimized(loss))


MODELS = [normalized, keras_normalized, loss_scaled, branching, unrolled]


def batch(number: int) -> list[np.ndarray[Any, Any]]:
    random = np.random.default_rng(number)
    features = random.normal(size=(8, 6)).astype(np.float32)
    return [features, features[:, 0] + random.normal(scale=0.1, size=8).astype(np.float32)]


def opened(made: Captured) -> Executor:
    """As the wafer process does, from the program's text."""
    return open_executor(read_program(made.program.to_json()), made.state())


def weights(executor: Executor) -> dict[str, Any]:
    state = executor.state()
    return {**state.weights, **state.optimizer}


def train(executor: Executor, batches: Sequence[Batch]) -> list[float]:
    losses = []
    for step, arrays in enumerate(batches):
        part = executor.gradients(arrays, seed=0, step=step, replica=0)
        executor.apply(part.tensors, step)
        losses.append(part.loss)
    return losses


@pytest.mark.parametrize("model_fn", MODELS, ids=lambda f: f.__name__)
def test_it_is_plain_tensorflow(model_fn: ModelFn) -> None:
    """Fifty steps give its losses and its variables, moving averages and loss scale among them."""
    made, batches = capture(model_fn, ELEMENT, ENTRIES), [batch(number) for number in range(50)]
    plain, ours = Plain(model_fn, ELEMENT, made.initial_weights), opened(made)
    np.testing.assert_allclose(train(ours, batches), plain.train(batches), rtol=1e-4)
    with plain.session.graph.as_default():
        expected = {v.name.removesuffix(":0"): plain.session.run(v) for v in v1.global_variables()}
    assert weights(ours).keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(weights(ours)[name], value, rtol=1e-4, atol=1e-6, err_msg=name)


@pytest.mark.parametrize("model_fn", MODELS, ids=lambda f: f.__name__)
def test_replicas_give_the_same_bits_each_time(model_fn: ModelFn) -> None:
    """Two replicas, run twice; a moving average takes the mean of what they made."""

    def halves() -> dict[str, Any]:
        executor = opened(made)
        with Replicas(executor, 2) as replicas:
            for step in range(10):
                replicas.step([[a[:4] for a in batch(step)], [a[4:] for a in batch(step)]], step)
        return weights(executor)

    made = capture(model_fn, ELEMENT, ENTRIES)
    one, other = halves(), halves()
    assert all(np.array_equal(one[name], other[name]) for name in one)


def test_a_moving_average_takes_the_mean_of_the_replicas() -> None:
    """After one step from 0 it holds a hundredth of the mean of both halves."""
    made = capture(normalized, ELEMENT, ENTRIES)
    graph = made.program.graphs[ENTRIES[0]]
    assert {name for name in graph.feeds if name.startswith(BUFFER)} == {
        "buffer/batch_normalization/moving_mean",
        "buffer/batch_normalization/moving_variance",
    }
    executor, whole = opened(made), batch(0)
    with Replicas(executor, 2) as replicas:
        replicas.step([[a[:4] for a in whole], [a[4:] for a in whole]], 0)
    mean = executor.state().weights["batch_normalization/moving_mean"]
    np.testing.assert_allclose(mean, 0.01 * whole[0].mean(0), rtol=1e-4, atol=1e-7)


def test_a_step_that_overflows_changes_nothing_but_the_scale() -> None:
    """The scale is halved, weights and slots are as before, and the scale begins anew with the optimizer."""
    made = capture(loss_scaled, ELEMENT, ENTRIES)
    executor = opened(made)
    train(executor, [batch(0)])
    before = weights(executor)
    features, labels = batch(1)
    train(executor, [[features * np.float32(1e15), labels]])
    after = weights(executor)
    assert after.pop("current_loss_scale") == 2.0**9
    assert after.pop("good_steps") == 0
    assert all(np.array_equal(before[name], value) for name, value in after.items())
    roles = {p.tensor.name: p.role for p in made.program.parameters}
    assert roles["current_loss_scale"] == roles["good_steps"] == OPTIMIZER


def test_gradients_that_overflow_are_reduced_without_a_word() -> None:
    """Infinite in one replica and negatively so in the other, the mean is no number, and the scale goes down."""
    executor = opened(capture(loss_scaled, ELEMENT, ENTRIES))
    features = np.full((4, 6), 1e18, np.float32)
    up, down = (np.full(4, sign * 5e18, np.float32) for sign in (1, -1))
    with Replicas(executor, 2) as replicas:
        assert replicas.step([[features, up], [features, down]], 0).applied
    assert weights(executor)["current_loss_scale"] == 2.0**9


def late_read(features: Any, labels: Any, mode: str) -> Spec:
    seen = v1.get_variable("seen", (6,), trainable=False)
    with tf.control_dependencies([v1.assign(seen, tf.reduce_mean(features, 0))]):
        loss = loss_of(features - seen.read_value(), labels)
    return Spec(loss, minimized(loss))


def counted(features: Any, labels: Any, mode: str) -> Spec:
    positive = v1.get_variable("positive", (), tf.int64, v1.zeros_initializer(), trainable=False)
    loss = loss_of(features, labels)
    count = v1.assign_add(positive, tf.math.count_nonzero(labels > 0))
    return Spec(loss, tf.group(minimized(loss), count))


def moved_weight(features: Any, labels: Any, mode: str) -> Spec:
    loss = loss_of(features, labels)
    step = minimized(loss)
    kernel = v1.trainable_variables()[0]
    return Spec(loss, tf.group(step, v1.assign_add(kernel, tf.reduce_mean(features, 0)[:, None])))


def moved_in_a_branch(features: Any, labels: Any, mode: str) -> Spec:
    seen = v1.get_variable("seen", (6,), trainable=False)
    loss, mean = loss_of(features, labels), tf.reduce_mean(features, 0)
    move = tf.cond(tf.reduce_max(seen) < 9.0, lambda: v1.assign(seen, mean).op, tf.no_op)
    return Spec(loss, tf.group(minimized(loss), move))


def looping(features: Any, labels: Any, mode: str) -> Spec:
    count = tf.cast(tf.reduce_sum(labels), tf.int32)
    _, grown = tf.while_loop(lambda i, _: i < count, lambda i, x: (i + 1, x * 1.1), (0, labels))
    loss = loss_of(features, grown)
    return Spec(loss, minimized(loss))


def recurrent(features: Any, labels: Any, mode: str) -> Spec:
    hidden = layers.LSTM(3)(tf.reshape(features, (8, 3, 2)))
    loss = loss_of(hidden, labels)
    return Spec(loss, minimized(loss))


def of_two_shapes(features: Any, labels: Any, mode: str) -> Spec:
    chosen = tf.cond(tf.reduce_mean(labels) > 0, lambda: labels, lambda: labels[:2])
    loss = loss_of(features, labels) + tf.reduce_sum(chosen)
    return Spec(loss, minimized(loss))


def keras_optimizer(features: Any, labels: Any, mode: str) -> Spec:
    loss, variables = loss_of(features, labels), v1.trainable_variables()
    optimizer = tf.keras.mixed_precision.LossScaleOptimizer(tf.keras.optimizers.legacy.SGD(0.1))
    gradients = optimizer.get_unscaled_gradients(tf.gradients(optimizer.get_scaled_loss(loss), variables))
    step = optimizer.apply_gradients(zip(gradients, variables, strict=True))
    return Spec(loss, step)


@pytest.mark.parametrize(
    ("model_fn", "kind", "says", "at"),
    [
        (late_read, Refused, "changes a variable before", "v1.assign"),
        (counted, Refused, "AssignAddVariableOp", "v1.assign_add"),
        (moved_weight, Refused, "AssignAddVariableOp", "v1.assign_add"),
        (moved_in_a_branch, Refused, "depends on the batch", "tf.cond"),
        (looping, Refused, "a loop", "tf.while_loop"),
        (recurrent, Refused, "unroll=True", "layers.LSTM"),
        (of_two_shapes, Refused, "different shapes", "tf.cond"),
        (keras_optimizer, InvalidInput, "MixedPrecisionLossScaleOptimizer", "apply_gradients"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_what_cannot_be_cut_is_refused(model_fn: ModelFn, kind: type[Fault], says: str, at: str) -> None:
    """In one sentence, with the user's own line and what to write instead."""
    with pytest.raises(kind) as refusal:
        capture(model_fn, ELEMENT, [ENTRIES[0]])
    lines, first = inspect.getsourcelines(model_fn)
    number = first + next(n for n, line in enumerate(lines) if at in line)
    assert says in str(refusal.value)
    assert refusal.value.where == f"test_updates.py:{number}"
