"""A host call in training: what leaves the system, and what the host makes of it."""

from __future__ import annotations

import logging
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from model_fns import Spec

from clients.tensorflow.capture import capture
from clients.tensorflow.host_summaries import HostSummaries
from wafer_sim.compiler.program import GRADIENTS, Entry
from wafer_sim.compiler.reading import read_program
from wafer_sim.replicas import Replicas
from wafer_sim.runtime.opening import open_executor
from wire.errors import InvalidInput, Refused

v1 = tf.compat.v1
ELEMENT = (tf.TensorSpec((None, 3), tf.float32), tf.TensorSpec((None,), tf.float32))
ENTRY = Entry(GRADIENTS, 4)


def write(loss: Any, rate: Any, norm: Any) -> None:
    v1.summary.scalar("loss", loss)
    v1.summary.scalar("rate", rate * 2.0)
    v1.summary.scalar("norm", norm)


def told(features: Any, labels: Any, mode: str) -> Spec:
    """A loss, a rate and a norm: of the batch, of the variables, and of the reduced gradients."""
    kernel = v1.get_variable("kernel", (3, 1), initializer=v1.ones_initializer())
    loss = tf.reduce_mean(tf.square(tf.squeeze(features @ kernel, 1) - labels))
    step = v1.train.get_or_create_global_step()
    rate = v1.train.exponential_decay(0.1, step, 1, 0.5)
    optimizer = v1.train.GradientDescentOptimizer(rate)
    pairs = optimizer.compute_gradients(loss)
    norm = tf.linalg.global_norm([gradient for gradient, _ in pairs])
    spec = Spec(loss, optimizer.apply_gradients(pairs, step))
    spec.host_call = (write, [loss, rate, norm])
    return spec


def batch(number: int) -> list[np.ndarray[Any, Any]]:
    features = np.random.default_rng(number).normal(size=(4, 3)).astype(np.float32)
    return [features, features[:, 0]]


def events(folder: Path) -> dict[tuple[str, int], float]:
    found = {}
    for file in sorted(folder.glob("events.out.tfevents.*")):
        for record in tf.data.TFRecordDataset(str(file)):
            event = v1.Event.FromString(record.numpy())
            found |= {(value.tag, event.step): value.simple_value for value in event.summary.value}
    return found


def test_the_host_writes_what_its_function_makes_of_each_step(tmp_path: Path) -> None:
    """Two replicas: the loss is their mean, the norm that of the reduced gradient, the rate of before the update."""
    made = capture(told, ELEMENT, [ENTRY])
    executor = open_executor(read_program(made.program.to_json()), made.state())
    expected: dict[tuple[str, int], float] = {}
    assert made.host_call is not None
    with closing(HostSummaries(tmp_path)) as host, Replicas(executor, 2) as replicas:
        host.prepare(*made.host_call)
        for step in range(3):
            kernel = executor.state().weights["kernel"]
            batches = [batch(2 * step), batch(2 * step + 1)]
            off = [features @ kernel[:, 0] - labels for features, labels in batches]
            slopes = [2 * features.T @ error / 4 for (features, _), error in zip(batches, off, strict=True)]
            host.write(step + 1, replicas.step(batches, step, observe=True).observed)
            expected["loss", step + 1] = np.mean(np.square(off))
            expected["rate", step + 1] = 0.2 * 0.5**step
            expected["norm", step + 1] = np.linalg.norm(np.mean(slopes, axis=0))
    assert events(tmp_path) == pytest.approx(expected, rel=1e-5)


def test_a_look_changes_nothing() -> None:
    """Steps that are looked at end at the bits of steps that are not."""
    made, ends = capture(told, ELEMENT, [ENTRY]), []
    for look in (True, False):
        executor = open_executor(made.program, made.state())
        with Replicas(executor, 2) as replicas:
            for step in range(5):
                replicas.step([batch(step), batch(step + 9)], step, observe=look)
        ends.append(executor.state().weights["kernel"])
    assert np.array_equal(*ends)


def with_call(tensors: Any) -> Any:
    def model_fn(features: Any, labels: Any, mode: str) -> Spec:
        spec = told(features, labels, mode)
        with tf.control_dependencies([spec.train_op]):
            spec.host_call = (lambda *_: None, [tensors(features)])
        return spec

    return model_fn


@pytest.mark.parametrize(
    ("tensors", "says"),
    [
        (lambda _: v1.trainable_variables()[0].read_value(), "before a host call gets its values"),
        (lambda features: tf.zeros((4096, 2)) + features[0, 0], "32,768 bytes"),
        (lambda _: tf.constant("text"), "numbers of a fixed shape"),
    ],
    ids=["of after the update", "too much", "text"],
)
def test_what_cannot_leave_the_system_is_refused(tensors: Any, says: str) -> None:
    """In a sentence, at the user's line."""
    with pytest.raises(Refused, match=says) as refusal:
        capture(with_call(tensors), ELEMENT, [ENTRY])
    assert refusal.value.where.startswith("test_host_summaries.py:")


def test_a_function_that_fails_is_told_with_its_line(tmp_path: Path) -> None:
    """When it is prepared, which is before anything runs."""
    graph = tf.Graph()
    with graph.as_default(), pytest.raises(InvalidInput) as fault:
        HostSummaries(tmp_path).prepare(lambda x: v1.summary.scalar("x", x @ x), [tf.constant(1.0)])
    assert fault.value.where.startswith("test_host_summaries.py:")


def test_a_function_that_writes_nothing_is_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Once; and no file is left."""
    with closing(HostSummaries(tmp_path)) as host, caplog.at_level(logging.WARNING), tf.Graph().as_default():
        host.prepare(lambda x: None, [tf.constant(1.0)])
        host.write(1, {"0": np.array(1.0, np.float32)})
    assert "writes no summary" in caplog.text
    assert not list(tmp_path.iterdir())
