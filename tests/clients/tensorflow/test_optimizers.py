"""AdamW."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from clients.tensorflow import AdamW

v1 = tf.compat.v1
RATE, DECAY, BETA1, BETA2, EPSILON = 0.1, 0.05, 0.9, 0.999, 1e-6


def test_weights_decay_beside_adams_steps():
    """Three steps equal the formula; an excluded variable takes Adam's steps only."""
    with tf.Graph().as_default(), v1.Session() as session:
        names = {"kernel": DECAY, "layer_norm": 0.0}
        variables = [v1.get_variable(name, initializer=np.float32([1.0, -3.0])) for name in names]
        loss = tf.add_n([tf.reduce_sum(variable**2) for variable in variables])
        optimizer = AdamW(RATE, DECAY, BETA1, BETA2, EPSILON, exclude_from_weight_decay=["norm", "bias"])
        train_op = optimizer.minimize(loss)
        session.run(v1.global_variables_initializer())
        for _ in range(3):
            session.run(train_op)
        found = session.run(variables)
    for variable, decay in zip(found, names.values(), strict=True):
        np.testing.assert_allclose(variable, by_hand(decay), rtol=1e-5)


def by_hand(decay):
    weight, m, v = np.array([1.0, -3.0]), 0.0, 0.0
    for step in (1, 2, 3):
        gradient = 2 * weight
        m, v = BETA1 * m + (1 - BETA1) * gradient, BETA2 * v + (1 - BETA2) * gradient**2
        rate = RATE * np.sqrt(1 - BETA2**step) / (1 - BETA1**step)
        weight = weight - rate * m / (np.sqrt(v) + EPSILON) - RATE * decay * weight
    return weight


def test_rows_that_are_looked_up_decay_too():
    """A sparse gradient goes with the same decay of the whole variable."""
    with tf.Graph().as_default(), v1.Session() as session:
        table = v1.get_variable("table", initializer=np.ones([3, 1], np.float32))
        train_op = AdamW(RATE, DECAY).minimize(tf.reduce_sum(tf.gather(table, [1])))
        session.run(v1.global_variables_initializer())
        session.run(train_op)
        found = session.run(table)[:, 0]
    kept = 1 - RATE * DECAY
    np.testing.assert_allclose(found, [kept, kept - RATE, kept], rtol=1e-4)
