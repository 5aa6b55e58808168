"""Embedding tables and two towers: the tables are trained by Adagrad, the towers by Adam with loss scaling."""

import tensorflow as tf

from clients.tensorflow import EstimatorSpec, ModeKeys

v1 = tf.compat.v1


def model_fn(features, labels, mode, params):
    """features: {"person": {"id": int32 (batch,), "age": float32 (batch, 2)}, "films": int32 (batch, 5)}; labels:
    {"liked": float32 (batch,), "scores": {"rating": float32 (batch,)}}.
    """
    liking, rating = build_model(features, params["model"])
    if mode == ModeKeys.PREDICT:
        return EstimatorSpec(mode, predictions={"liked": tf.sigmoid(liking), "rating": rating})
    likes = tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(labels=labels["liked"], logits=liking))
    ratings = tf.reduce_mean(tf.square(rating - labels["scores"]["rating"]))
    loss = likes + params["model"]["rating_weight"] * ratings
    if mode == ModeKeys.EVAL:
        return EstimatorSpec(mode, loss=loss, eval_metric_ops=build_metrics(labels, liking, rating))
    return EstimatorSpec(mode, loss=loss, train_op=build_train_op(loss, params["optimizer"]))


def build_model(features, section):
    """How much each person likes the film, and the rating in -1 .. 1."""
    size = section["embedding_size"]
    with v1.variable_scope("tables"):
        people = v1.get_variable("people", (section["people"], size), initializer=v1.random_normal_initializer(0, 0.3))
        films = v1.get_variable("films", (section["films"], size), initializer=v1.random_normal_initializer(0, 0.3))
    person = tf.concat([tf.nn.embedding_lookup(people, features["person"]["id"]), features["person"]["age"]], axis=1)
    seen = tf.nn.embedding_lookup(films, features["films"])
    film = tf.concat([seen[:, 0], tf.reduce_mean(seen[:, 1:], axis=1)], axis=1)
    with v1.variable_scope("towers"):
        person, film = tower("person", person, section), tower("film", film, section)
        rating = tf.tanh(dense("rating", tf.concat([person, film], axis=1), 1)[:, 0])
    return tf.reduce_sum(person * film, axis=1), rating


def tower(name, x, section):
    """Dense layers; the last one is linear."""
    with v1.variable_scope(name):
        *hidden, last = section["hidden_sizes"]
        for number, size in enumerate(hidden):
            x = tf.nn.relu(dense(f"hidden_{number}", x, size))
        return dense("out", x, last)


def dense(name, x, size):
    """x @ kernel + bias."""
    with v1.variable_scope(name):
        kernel = v1.get_variable("kernel", (x.shape[-1], size), initializer=v1.glorot_uniform_initializer())
        return x @ kernel + v1.get_variable("bias", (size,), initializer=v1.zeros_initializer())


def build_train_op(loss, section):
    """Both optimizers start from the same weights; the second one counts the step."""
    step = v1.train.get_or_create_global_step()
    tables = v1.train.AdagradOptimizer(section["tables_learning_rate"])
    rate = v1.train.exponential_decay(
        section["towers_learning_rate"], step, section["decay_steps"], section["decay_rate"]
    )
    scale = v1.mixed_precision.DynamicLossScale(section["loss_scale"], section["loss_scale_period"])
    towers = v1.mixed_precision.MixedPrecisionLossScaleOptimizer(v1.train.AdamOptimizer(rate), scale)
    return tf.group(
        tables.minimize(loss, var_list=v1.trainable_variables("tables")),
        towers.minimize(loss, var_list=v1.trainable_variables("towers"), global_step=step),
    )


def build_metrics(labels, liking, rating):
    """Metrics as tf.estimator took them."""
    right = tf.equal(liking > 0, labels["liked"] > 0.5)
    return {
        "liked": v1.metrics.mean(tf.cast(right, tf.float32)),
        "auc": v1.metrics.auc(labels["liked"], tf.sigmoid(liking)),
        "rating_error": v1.metrics.mean_absolute_error(labels["scores"]["rating"], rating),
    }
