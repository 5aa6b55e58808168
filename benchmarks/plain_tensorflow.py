"""FC-MNIST in plain TensorFlow: python -m benchmarks.plain_tensorflow compute|machine|drain STEPS prints samples/s."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import tensorflow as tf

from benchmarks.service import TENSORFLOW
from clients import params as params_files
from clients.fc_mnist.tf.data import train_input_fn
from clients.fc_mnist.tf.model import model_fn
from clients.fc_mnist.tf.utils import set_defaults
from clients.paths import resolve_data
from wafer_sim.replicas import threads_of

KEPT = 64
WARM_UP = 50


def params() -> dict[str, Any]:
    """The project's own, as run.py has them."""
    path = TENSORFLOW / "configs" / "params.yaml"
    given = params_files.load(path)
    given = set_defaults(given) or given
    return {**given, "train_input": resolve_data(given["train_input"], "train_input", path)}


def compute(steps: int) -> float:
    """The training graph on the threads of one replica, fed with batches that are in memory."""
    # The first thing that TensorFlow runs decides for the process, and that is the input, not the session.
    tf.config.threading.set_intra_op_parallelism_threads(threads_of(1))
    return _train(steps, tf.compat.v1.ConfigProto(inter_op_parallelism_threads=-1))


def machine(steps: int) -> float:
    """The same on as many threads as TensorFlow takes by itself."""
    return _train(steps, None)


def _train(steps: int, config: Any) -> float:
    batches = list(islice(train_input_fn(params()).as_numpy_iterator(), KEPT))
    with tf.Graph().as_default():
        tf.compat.v1.train.get_or_create_global_step()
        features, labels = (tf.compat.v1.placeholder(part.dtype, part.shape) for part in batches[0])
        spec = model_fn(features, labels, "train", params())
        with tf.compat.v1.Session(config=config) as session:
            session.run(tf.compat.v1.global_variables_initializer())
            step = session.make_callable([spec.loss, spec.train_op], feed_list=[features, labels])
            return _rate(lambda n: step(*batches[n % KEPT]), len(batches[0][1]), steps)


def drain(steps: int) -> float:
    """The pipeline of input_fn, iterated."""
    batches: Iterator[Any] = iter(train_input_fn(params()))
    return _rate(lambda _: next(batches), params()["train_input"]["batch_size"], steps)


def _rate(step: Callable[[int], Any], rows: int, steps: int) -> float:
    for number in range(WARM_UP):
        step(number)
    begun = time.perf_counter()
    for number in range(steps):
        step(number)
    return steps * rows / (time.perf_counter() - begun)


if __name__ == "__main__":
    print({"compute": compute, "machine": machine, "drain": drain}[sys.argv[1]](int(sys.argv[2])))
