"""The TensorFlow twins of some of the networks in plain torch, captured as a user's model_fn is."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import tensorflow as tf
from tf_keras import layers

from clients.tensorflow.capture import capture
from wafer_sim.compiler.dataflow import Dataflow
from wafer_sim.compiler.program import EVALUATE, GRADIENTS, Entry

v1 = tf.compat.v1
ROWS = 4
TRAIN, EVAL = Entry(GRADIENTS, ROWS), Entry(EVALUATE, ROWS)
WORDS, LENGTH, WIDTH = 30, 8, 8


@dataclass
class Spec:
    """What an EstimatorSpec has."""

    loss: Any
    train_op: Any = None
    eval_metric_ops: Any = field(default_factory=dict)
    host_call: Any = None


def spec(loss: Any, mode: str, clip: bool = False) -> Spec:
    """The loss, and in training Adam's update."""
    if mode != "train":
        return Spec(loss)
    optimizer = v1.train.AdamOptimizer(0.1)
    gradients, variables = zip(*optimizer.compute_gradients(loss), strict=True)
    if clip:
        gradients, _ = tf.clip_by_global_norm(gradients, 1.0)
    step = v1.train.get_or_create_global_step()
    return Spec(loss, optimizer.apply_gradients(zip(gradients, variables, strict=True), global_step=step))


def cross_entropy(labels: Any, logits: Any) -> Any:
    return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits))


def dense(*sizes: int, dtype: str = "float32", clip: bool = False) -> Callable[..., Spec]:
    def model_fn(features: Any, labels: Any, mode: str) -> Spec:
        x = features
        for size in sizes[:-1]:
            x = layers.Activation("relu", dtype=dtype)(layers.Dense(size, dtype=dtype)(x))
            x = layers.Dropout(0.2, dtype=dtype)(x, training=mode == "train")
        logits = tf.cast(layers.Dense(sizes[-1], dtype=dtype)(x), tf.float32)
        return spec(cross_entropy(labels, logits), mode, clip)

    return model_fn


def conv(features: Any, labels: Any, mode: str) -> Spec:
    x = layers.MaxPool2D(2)(layers.Conv2D(4, 3, padding="same", activation="relu")(features))
    x = layers.Conv2D(6, 3, strides=2, activation="relu")(x)
    return spec(cross_entropy(labels, layers.Dense(10)(layers.Flatten()(x))), mode)


def unet(features: Any, labels: Any, mode: str) -> Spec:
    training = mode == "train"
    high = tf.nn.relu(layers.BatchNormalization()(layers.Conv2D(4, 3, padding="same")(features), training=training))
    low = layers.Conv2D(8, 3, padding="same", activation="relu")(layers.MaxPool2D(2)(high))
    x = tf.concat([layers.Conv2DTranspose(4, 2, 2)(low), high], -1)
    logits = layers.Conv2D(1, 1)(layers.Conv2D(4, 3, padding="same", activation="relu")(x))
    return spec(tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(labels=labels, logits=logits)), mode)


def bert(features: Any, labels: Any, mode: str) -> Spec:
    training, heads = mode == "train", 2
    table, places = v1.get_variable("words", (WORDS, WIDTH)), v1.get_variable("places", (LENGTH, WIDTH))
    x = layers.LayerNormalization()(tf.nn.embedding_lookup(table, features["words"]) + places)
    hidden = (1.0 - tf.cast(features["mask"][:, None, None, :], tf.float32)) * -10000.0

    def split(y: Any) -> Any:
        parts = tf.reshape(layers.Dense(WIDTH)(y), (-1, LENGTH, heads, WIDTH // heads))
        return tf.transpose(parts, (0, 2, 1, 3))

    for _ in range(2):
        q, k, v = split(x), split(x), split(x)
        scores = tf.matmul(q, k, transpose_b=True) / math.sqrt(WIDTH // heads) + hidden
        mixed = tf.matmul(layers.Dropout(0.1)(tf.nn.softmax(scores), training=training), v)
        x = layers.LayerNormalization()(x + layers.Dense(WIDTH)(tf.reshape(tf.transpose(mixed, (0, 2, 1, 3)), x.shape)))
        x = layers.LayerNormalization()(x + layers.Dense(WIDTH)(tf.nn.gelu(layers.Dense(4 * WIDTH)(x))))
    logits = tf.matmul(tf.reshape(x, (-1, WIDTH)), table, transpose_b=True)
    return spec(cross_entropy(tf.reshape(labels, (-1,)), logits), mode)


def program(name: str) -> Dataflow:
    """A captured network, for training and for evaluation."""
    numbers = tf.TensorSpec((None,), tf.int32)
    words = tf.TensorSpec((None, LENGTH), tf.int32)

    def images(*shape: int) -> Any:
        return tf.TensorSpec((None, *shape), tf.float32)

    model_fn, element = {
        "dense": (dense(5, 3), (images(6), numbers)),
        "clipped": (dense(5, 3, clip=True), (images(6), numbers)),
        "fc_mnist": (dense(500, 300, 10), (images(784), numbers)),
        "half": (dense(5, 3, dtype="mixed_float16"), (images(6), numbers)),
        "conv": (conv, (images(16, 16, 1), numbers)),
        "unet": (unet, (images(8, 8, 3), images(8, 8, 1))),
        "bert": (bert, ({"words": words, "mask": words}, words)),
    }[name]
    return capture(model_fn, element, [TRAIN, EVAL]).program
