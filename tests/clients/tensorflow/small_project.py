"""A project as users write it: a line fitted to points."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from clients.tensorflow import EstimatorSpec, ModeKeys

POINTS = np.random.default_rng(0).normal(size=(48, 3)).astype(np.float32)
VALUES = (POINTS @ np.array([1.0, -2.0, 0.5], np.float32) + 0.25).astype(np.float32)


def line(features: Any, labels: Any, mode: str, params: dict[str, Any]) -> EstimatorSpec:
    """A line, its squared error, and gradient descent."""
    v1 = tf.compat.v1
    slope = v1.get_variable("slope", [3, 1], initializer=v1.glorot_uniform_initializer())
    offset = v1.get_variable("offset", [1], initializer=v1.zeros_initializer())
    made = tf.squeeze(features["x"] @ slope, 1) + offset
    if mode == ModeKeys.PREDICT:
        return EstimatorSpec(mode, predictions={"value": made, "twice": 2 * made})
    loss = tf.reduce_mean(tf.square(made - labels))
    if mode == ModeKeys.EVAL:
        error = v1.metrics.mean_absolute_error(labels, made)
        return EstimatorSpec(mode, loss=loss, eval_metric_ops={"error": error})
    optimizer = v1.train.GradientDescentOptimizer(params.get("rate", 0.1))
    return EstimatorSpec(mode, loss=loss, train_op=optimizer.minimize(loss, v1.train.get_global_step()))


def points(params: dict[str, Any], mode: str) -> Any:
    """Batches of points, without end in training."""
    dataset = tf.data.Dataset.from_tensor_slices(({"x": POINTS}, VALUES))
    if mode == ModeKeys.TRAIN:
        dataset = dataset.shuffle(48).repeat(params.get("epochs", -1))
    return dataset.batch(params.get("batch_size", 16))
