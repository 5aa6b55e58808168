"""The fully connected network: 784 pixels, hidden layers, ten digits."""

from typing import Any

import tensorflow as tf
from tf_keras import layers

from clients.tensorflow import CSEstimatorSpec, EstimatorSpec, ModeKeys
from wire.errors import InvalidInput, nearest

DIGITS = 10
ACTIVATIONS = ("relu", "tanh", "elu", "selu", "linear")
OPTIMIZERS = ("adam", "sgd")


def model_fn(features: Any, labels: Any, mode: str, params: dict[str, Any]) -> EstimatorSpec | CSEstimatorSpec:
    """features: float (batch, 784); labels: int32 (batch,), None in prediction."""
    logits = build_model(features, mode, params["model"])
    if mode == ModeKeys.PREDICT:
        probabilities = tf.nn.softmax(logits)
        return EstimatorSpec(mode, predictions={"classes": tf.argmax(logits, 1), "probabilities": probabilities})
    losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)
    loss = tf.reduce_mean(losses)
    if mode == ModeKeys.EVAL:
        return CSEstimatorSpec(mode, host_call=(build_metrics, [labels, logits]), loss=loss)
    optimizer = build_optimizer(params["optimizer"])
    train_op = optimizer.minimize(loss, global_step=tf.compat.v1.train.get_or_create_global_step())
    return CSEstimatorSpec(mode, loss=loss, train_op=train_op)


def build_model(features: Any, mode: str, model_params: dict[str, Any]) -> Any:
    """The logits, float32 (batch, 10).

    With mixed_precision layers compute in float16 and keep their weights in float32.
    """
    dtype = "mixed_float16" if model_params["mixed_precision"] else "float32"
    activation = _known(model_params["activation_fn"], ACTIVATIONS, "model.activation_fn")
    x = features
    for size in hidden_sizes(model_params):
        x = layers.Dense(size, dtype=dtype)(x)
        x = layers.Activation(activation, dtype=dtype)(x)
        x = layers.Dropout(model_params["dropout"], dtype=dtype)(x, training=mode == ModeKeys.TRAIN)
    return tf.cast(layers.Dense(DIGITS, dtype=dtype)(x), tf.float32)


def build_metrics(labels: Any, logits: Any) -> dict[str, Any]:
    """What the host computes in evaluation."""
    return {"accuracy": tf.compat.v1.metrics.accuracy(labels=labels, predictions=tf.argmax(logits, 1))}


def build_optimizer(section: dict[str, Any]) -> Any:
    """The optimizer of the params. Raises InvalidInput for an optimizer_type that there is not."""
    kind = _known(str(section["optimizer_type"]).lower(), OPTIMIZERS, "optimizer.optimizer_type")
    rate = section.get("learning_rate")
    if not isinstance(rate, int | float):
        fix = "write learning_rate: 0.001"
        raise InvalidInput(f"optimizer.learning_rate is {rate!r}", where="optimizer.learning_rate", fix=fix)
    if kind == "sgd":
        return tf.compat.v1.train.GradientDescentOptimizer(rate)
    return tf.compat.v1.train.AdamOptimizer(rate, section["beta1"], section["beta2"], section["epsilon"])


def hidden_sizes(model_params: dict[str, Any]) -> list[int]:
    """`hidden_sizes`, or `depth` layers of `hidden_size`. Raises InvalidInput where neither is given."""
    if "hidden_sizes" in model_params:
        return list(model_params["hidden_sizes"])
    try:
        return [model_params["hidden_size"]] * model_params["depth"]
    except KeyError as error:
        fix = "give hidden_sizes: [500, 300], or depth and hidden_size"
        raise InvalidInput(f"model.{error.args[0]} is missing", where="model", fix=fix) from error


def _known(name: str, names: tuple[str, ...], where: str) -> str:
    if name not in names:
        raise InvalidInput(f"there is no {where.partition('.')[2]} {name!r}", where=where, fix=nearest(name, names))
    return name
