"""Three users' model_fns, in three styles."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras

v1 = tf.compat.v1


@dataclass
class Spec:
    """What an EstimatorSpec has."""

    loss: Any
    train_op: Any = None
    eval_metric_ops: Any = field(default_factory=dict)
    host_call: Any = None


def clipped(features: Any, labels: Any, mode: str) -> Spec:
    """Dict features, looked-up words, clipping by the global norm, a schedule over global_step."""
    table = v1.get_variable("table", (7, 3), initializer=v1.random_normal_initializer())
    hidden = tf.concat([features["x"], tf.reshape(tf.gather(table * 2.0, features["words"]), (-1, 6))], 1)
    with v1.variable_scope("dense"):
        kernel = v1.get_variable("kernel", (10, 5))
        bias = v1.get_variable("bias", (5,), initializer=v1.zeros_initializer())
    logits = tf.tanh(hidden) @ kernel + bias
    loss = v1.losses.sparse_softmax_cross_entropy(labels, logits)
    if mode != "train":
        accuracy = v1.metrics.accuracy(labels, tf.argmax(logits, 1))
        return Spec(loss, eval_metric_ops={"accuracy": accuracy, "mean_loss": v1.metrics.mean(loss)})
    step = v1.train.get_or_create_global_step()
    rate = v1.train.exponential_decay(0.05, step, 20, 0.9)
    optimizer = v1.train.AdamOptimizer(rate)
    gradients, variables = zip(*optimizer.compute_gradients(loss), strict=True)
    gradients, _ = tf.clip_by_global_norm(gradients, 0.5)
    return Spec(loss, optimizer.apply_gradients(zip(gradients, variables, strict=True), global_step=step))


def convolutional(features: Any, labels: Any, mode: str) -> Spec:
    """A conv net on a bare tensor, with one optimizer for the filters and another one for the rest."""
    images = tf.cast(features, tf.float32) / 255.0
    filters = v1.get_variable("conv/filters", (3, 3, 1, 4))
    with v1.variable_scope("head"):
        kernel = v1.get_variable("kernel", (64, 3))
    maps = tf.nn.relu(tf.nn.conv2d(images, filters, strides=1, padding="SAME"))
    pooled = tf.nn.max_pool2d(maps, 2, 2, "VALID")
    logits = tf.reshape(pooled, (-1, 64)) @ kernel
    loss = tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(tf.one_hot(labels, 3), logits))
    if mode != "train":
        return Spec(
            loss, host_call=(lambda a, b: {"accuracy": v1.metrics.accuracy(a, b)}, [labels, tf.argmax(logits, 1)])
        )
    momentum = v1.train.MomentumOptimizer(0.05, 0.9, use_nesterov=True).minimize(loss, var_list=[filters])
    step = v1.train.get_or_create_global_step()
    rms = v1.train.RMSPropOptimizer(0.01).minimize(loss, var_list=[kernel], global_step=step)
    return Spec(loss, tf.group(momentum, rms))


def layered(features: Any, labels: Any, mode: str, rate: float = 0.5) -> Spec:
    """tf_keras layers with dropout, whose phase nobody tells them."""
    hidden = tf_keras.layers.Dense(16, activation="relu")(features)
    hidden = tf_keras.layers.Dropout(rate)(hidden)
    logits = tf_keras.layers.Dense(3)(hidden)
    loss = v1.losses.sparse_softmax_cross_entropy(labels, logits)
    if mode != "train":
        return Spec(loss)
    return Spec(loss, v1.train.AdagradOptimizer(0.1).minimize(loss, v1.train.get_or_create_global_step()))


def specs(name: str) -> Any:
    """(features, labels) of a model_fn, with no length for the batch."""
    labels = tf.TensorSpec((None,), tf.int32)
    if name == "clipped":
        return {"x": tf.TensorSpec((None, 4), tf.float32), "words": tf.TensorSpec((None, 2), tf.int32)}, labels
    if name == "convolutional":
        return tf.TensorSpec((None, 8, 8, 1), tf.uint8), labels
    return tf.TensorSpec((None, 6), tf.float32), labels


def batch(name: str, number: int, rows: int = 8) -> list[np.ndarray]:
    """The arrays of one batch, in the order of the program's inputs."""
    random = np.random.default_rng([number, 5])
    if name == "clipped":
        x = random.normal(size=(rows, 4)).astype(np.float32)
        return [x, random.integers(0, 7, (rows, 2)), (x.sum(1) > 0).astype(np.int64) * 3]
    if name == "convolutional":
        images = random.integers(0, 256, (rows, 8, 8, 1)).astype(np.uint8)
        labels = (images[:, 0, 0, 0] // 86).astype(np.int32)
        return [images, labels]
    x = random.normal(size=(rows, 6)).astype(np.float32)
    return [x, (x[:, 0] > 0).astype(np.int32) + (x[:, 1] > 1)]


MODELS = {"clipped": clipped, "convolutional": convolutional, "layered": layered}
