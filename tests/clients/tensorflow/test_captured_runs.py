"""Captured model_fns, trained and evaluated by the executor: the same numbers as plain TensorFlow."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import model_fns
import numpy as np
import pytest
import tensorflow as tf
from plain_session import Plain

from clients.tensorflow.capture import Captured, capture
from wafer_sim.compiler.program import EVALUATE, GRADIENTS, Entry
from wafer_sim.compiler.reading import read_program
from wafer_sim.replicas import Replicas
from wafer_sim.runtime.opening import open_executor
from wafer_sim.runtime.protocol import Executor
from wire.errors import InvalidInput

v1 = tf.compat.v1
NAMES = sorted(model_fns.MODELS)
STEPS = 200


def model(name: str) -> Any:
    """The model_fn without dropout."""
    return functools.partial(model_fns.layered, rate=0.0) if name == "layered" else model_fns.MODELS[name]


def captured(name: str, dropout: bool = False) -> Captured:
    return _captured(name, dropout)


@functools.cache
def _captured(name: str, dropout: bool) -> Captured:
    entries = [Entry(GRADIENTS, 8), Entry(GRADIENTS, 4), Entry(EVALUATE, 8)]
    return capture(model_fns.MODELS[name] if dropout else model(name), model_fns.specs(name), entries, seed=3)


def executor(name: str, dropout: bool = False) -> Executor:
    """As the wafer process opens it: from the text of the program and the state of checkpoint 0."""
    made = captured(name, dropout)
    return open_executor(read_program(made.program.to_json()), made.state())


def train(made: Executor, name: str, steps: Sequence[int]) -> list[float]:
    losses = []
    for step in steps:
        part = made.gradients(model_fns.batch(name, step), seed=1, step=step, replica=0)
        made.apply(part.tensors, step)
        losses.append(part.loss)
    return losses


def weights(made: Executor) -> dict[str, np.ndarray]:
    state = made.state()
    return {**state.weights, **state.optimizer}


def same(a: Executor, b: Executor) -> bool:
    one, other = weights(a), weights(b)
    return one.keys() == other.keys() and all(np.array_equal(one[n], other[n]) for n in one)


def plain(name: str, mode: str = "train") -> Plain:
    return Plain(model(name), model_fns.specs(name), captured(name).initial_weights, mode)


@pytest.mark.parametrize("name", NAMES)
def test_the_loss_curve_is_plain_tensorflows(name: str) -> None:
    """200 float32 steps on the same batches agree within 1e-5 relative, and the weights end as they do."""
    expected = plain(name).train([model_fns.batch(name, number) for number in range(STEPS)])
    made = executor(name)
    np.testing.assert_allclose(train(made, name, range(STEPS)), expected, rtol=1e-5)
    assert np.mean(expected[-20:]) < np.mean(expected[:20])
    assert made.state().weights["global_step"] == STEPS


def embedding(features: Any, labels: Any, mode: str) -> model_fns.Spec:
    """Words looked up in a variable, so that TensorFlow makes its gradient a sparse one."""
    table = v1.get_variable("table", (7, 3), initializer=v1.random_normal_initializer())
    sums = tf.reduce_sum(tf.gather(table, features), 1)
    loss = v1.losses.sparse_softmax_cross_entropy(labels, sums)
    optimizer = v1.train.AdagradOptimizer(0.1)
    return model_fns.Spec(loss, optimizer.minimize(loss, v1.train.get_or_create_global_step()))


def test_a_sparse_gradient_is_made_dense() -> None:
    """Words that come twice count twice, and those that do not come stay."""
    element = (tf.TensorSpec((None, 4), tf.int32), tf.TensorSpec((None,), tf.int32))
    batches = [[np.random.default_rng(n).integers(0, 5, (8, 4)), np.arange(8) % 3] for n in range(20)]
    made = capture(embedding, element, [Entry(GRADIENTS, 8)])
    expected = Plain(embedding, element, made.initial_weights).train(batches)
    ours = open_executor(made.program, made.state())
    losses = []
    for step, batch in enumerate(batches):
        part = ours.gradients(batch, seed=0, step=step, replica=0)
        ours.apply(part.tensors, step)
        losses.append(part.loss)
    np.testing.assert_allclose(losses, expected, rtol=1e-5)
    assert np.array_equal(ours.state().weights["table"][5:], made.initial_weights["table"][5:])


@pytest.mark.parametrize("name", NAMES)
def test_two_replicas_with_half_batches_are_one_with_the_whole(name: str) -> None:
    """Gradients are reduced by their mean; repeated, it gives the same bits."""

    def halves() -> Executor:
        made = executor(name)
        with Replicas(made, 2, seed=1) as replicas:
            for step in range(20):
                whole = model_fns.batch(name, step)
                replicas.step([[a[:4] for a in whole], [a[4:] for a in whole]], step)
        return made

    one, two = executor(name), halves()
    train(one, name, range(20))
    for key, value in weights(one).items():
        np.testing.assert_allclose(weights(two)[key], value, rtol=1e-3, atol=1e-5)
    assert same(two, halves())


@pytest.mark.parametrize("name", NAMES)
def test_a_state_goes_on_bit_for_bit(name: str) -> None:
    """Ten steps, state out, state into a new executor, ten steps: the bits of twenty; dropout is on."""
    whole, first, second = (executor(name, dropout=True) for _ in range(3))
    expected = train(whole, name, range(20))
    train(first, name, range(10))
    second.load(first.state())
    assert train(second, name, range(10, 20)) == expected[10:]
    assert same(whole, second)
    assert not same(whole, first)


def test_a_fresh_start_keeps_the_weights_and_begins_the_optimizer_anew() -> None:
    """Slots start with the numbers that TensorFlow starts them with."""
    trained = executor("clipped")
    train(trained, "clipped", range(3))
    fresh = open_executor(captured("clipped").program, trained.state(), fresh=True)
    assert np.array_equal(fresh.state().weights["table"], trained.state().weights["table"])
    for name, value in captured("clipped").state().optimizer.items():
        assert np.array_equal(fresh.state().optimizer[name], value)


def test_dropout_is_a_function_of_seed_step_and_replica() -> None:
    """The same three give the same bits, another one of any of them gives another mask; evaluation drops nothing."""
    made, batch = executor("layered", dropout=True), model_fns.batch("layered", 0)
    keys = [(1, 0, 0), (1, 0, 0), (2, 0, 0), (1, 1, 0), (1, 0, 1)]
    losses = [made.gradients(batch, seed=s, step=t, replica=r).loss for s, t, r in keys]
    assert losses[0] == losses[1]
    assert len(set(losses)) == 4
    still = executor("layered")
    still.load(made.state())
    assert made.evaluate(batch)["loss"] / 8 == still.gradients(batch, seed=1, step=0, replica=0).loss


@pytest.mark.parametrize("name", ["clipped", "convolutional"])
def test_metrics_count_over_the_batches(name: str) -> None:
    """What tf.compat.v1.metrics gives in a session of its own; from eval_metric_ops and from a host_call."""
    reference, made = plain(name, "eval"), executor(name)
    with reference.session.graph.as_default():
        given = reference.spec.eval_metric_ops or reference.spec.host_call[0](*reference.spec.host_call[1])
        reference.session.run(v1.local_variables_initializer())
    loss = 0.0
    for number in range(4):
        batch = model_fns.batch(name, number)
        loss += 8 * reference.run([reference.spec.loss, [update for _, update in given.values()]], batch)[0]
        made.evaluate(batch)
    expected = {name: reference.session.run(value) for name, (value, _) in given.items()}
    assert made.metrics() == pytest.approx(expected)
    made.reset()
    sums = [made.evaluate(model_fns.batch(name, number)) for number in range(4)]
    assert sum(s["loss"] for s in sums) == pytest.approx(loss)
    assert made.metrics() == pytest.approx(expected)


def checked(features: Any, labels: Any, mode: str) -> model_fns.Spec:
    """A metric that asserts what it is given, as tf.compat.v1.metrics.auc does."""
    kernel = v1.get_variable("kernel", (6, 1))
    score = tf.sigmoid(tf.squeeze(features @ kernel, 1)) + tf.cast(tf.reduce_max(features) > 9.0, tf.float32)
    loss = tf.reduce_mean(tf.square(score - tf.cast(labels, tf.float32)))
    return model_fns.Spec(loss, eval_metric_ops={"auc": v1.metrics.auc(labels, score)})


def test_a_metric_may_assert_what_it_is_given() -> None:
    """It counts as TensorFlow's does; a batch that it will not take ends the evaluation at the user's line."""
    element = (tf.TensorSpec((None, 6), tf.float32), tf.TensorSpec((None,), tf.int32))
    made = capture(checked, element, [Entry(EVALUATE, 8)])
    ours = open_executor(read_program(made.program.to_json()), made.state())
    plain = Plain(checked, element, made.initial_weights, "eval")
    with plain.session.graph.as_default():
        plain.session.run(v1.local_variables_initializer())
    features, labels = np.random.default_rng(0).normal(size=(8, 6)).astype(np.float32), np.arange(8) % 2
    ours.evaluate([features, labels])
    plain.run(plain.spec.eval_metric_ops["auc"][1], [features, labels])
    assert ours.metrics()["auc"] == pytest.approx(plain.session.run(plain.spec.eval_metric_ops["auc"][0]))
    with pytest.raises(InvalidInput, match="assertion failed") as fault:
        ours.evaluate([features + 10, labels])
    assert fault.value.where.startswith("test_captured_runs.py:")


def test_two_executors_in_a_process_share_nothing() -> None:
    """Variables belong to a session, whatever their names."""
    one, other = executor("clipped"), executor("clipped")
    train(one, "clipped", range(2))
    assert not same(one, other)
    assert same(other, executor("clipped"))
