"""A conv net of Keras layers; its train_op is put together by hand."""

import tensorflow as tf

from clients.tensorflow import CSEstimatorSpec, ModeKeys
from data import SHAPES

v1 = tf.compat.v1
layers = tf.keras.layers


def model_fn(features, labels, mode, params):
    """features: {"image": uint8 (batch, 8, 8, 1), "exposure": float32 (batch,)}; labels: int32 (batch,)."""
    logits, updates = build_model(features, mode == ModeKeys.TRAIN, params["model"])
    if mode == ModeKeys.PREDICT:
        predictions = {"shape": tf.argmax(logits, axis=1), "probabilities": tf.nn.softmax(logits)}
        return CSEstimatorSpec(mode, predictions=predictions)
    loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits))
    if mode == ModeKeys.EVAL:
        return CSEstimatorSpec(mode, loss=loss, host_call=(build_metrics, [labels, logits]))
    train_op, seen = build_train_op(loss, updates, params["optimizer"])
    return CSEstimatorSpec(mode, loss=loss, train_op=train_op, host_call=(write_summaries, seen))


def build_model(features, training, section):
    """The logits, and the updates of the moving averages."""
    x = tf.cast(features["image"], tf.float32) / 255.0 / features["exposure"][:, None, None, None]
    updates = []
    for filters in section["filters"]:
        x = layers.Conv2D(filters, 3, padding="same", use_bias=False)(x)
        if section["batch_norm"]:
            layer = layers.BatchNormalization(momentum=0.9)
            x = layer(x, training=training)
            updates += layer.updates
        x = layers.MaxPooling2D(2)(tf.nn.relu(x))
    x = layers.Dense(section["hidden_size"], activation="relu")(layers.Flatten()(x))
    x = layers.Dropout(section["dropout"])(x, training=training)
    return layers.Dense(len(SHAPES))(x), updates


def build_train_op(loss, updates, section):
    """Momentum with clipped gradients, whose rate goes down in a line; and what the summaries are made of."""
    step = v1.train.get_or_create_global_step()
    rate = v1.train.polynomial_decay(
        section["learning_rate"], step, section["decay_steps"], section["end_learning_rate"]
    )
    optimizer = v1.train.MomentumOptimizer(rate, section["momentum"])
    gradients, variables = zip(*optimizer.compute_gradients(loss), strict=True)
    clipped, norm = tf.clip_by_global_norm(gradients, section["max_gradient_norm"])
    applied = optimizer.apply_gradients(zip(clipped, variables, strict=True), global_step=step)
    return tf.group(applied, *updates), [loss, rate, norm]


def write_summaries(loss, rate, norm):
    """What the host writes in training."""
    v1.summary.scalar("train/loss", loss)
    v1.summary.scalar("train/learning_rate", rate)
    v1.summary.scalar("train/gradient_norm", norm)


def build_metrics(labels, logits):
    """What the host computes in evaluation."""
    shapes = tf.argmax(logits, axis=1)
    return {
        "accuracy": v1.metrics.accuracy(labels=labels, predictions=shapes),
        "accuracy/mean_per_class": v1.metrics.mean(tf.cast(tf.equal(tf.cast(labels, tf.int64), shapes), tf.float32)),
    }
