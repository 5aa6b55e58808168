"""Measuring what a stage of a pipeline does with single samples, and what with whole batches.

The samples are made up, so nothing of the user's is read; only functions that touch nothing else are called.
"""

from __future__ import annotations

import dataclasses
import logging
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeVar

import numpy as np
import tensorflow as tf

from streamer.advice import Rates, Stage
from streamer.advice.pipelines import one_by_one
from streamer.randomness import Randomness
from streamer.sources.tf_stages import chain, is_pure
from streamer.sources.tf_walk import eager

log = logging.getLogger(__name__)

SECONDS = 2.0
_ONE = 0.25
_ROUNDS = 2
_MOST_BYTES = 1 << 25
_SLOWEST = 0.1
_FEWEST = 4
_SEED = 0

T = TypeVar("T")
Function = Callable[..., Any]


def measured(dataset: Any, stages: Sequence[Stage], seconds: float = SECONDS) -> list[Stage]:
    """The stages, with rates of those that could be moved behind a batch. None is begun after `seconds`."""
    until, found, nodes = time.monotonic() + seconds, list(stages), chain(dataset)
    stays: Stage | None = None
    for number, batch in one_by_one(stages):
        is_map = stages[number].kind == "map"
        if time.monotonic() > until - 2 * _ONE or (is_map and batch is stays):
            continue
        with _quiet(), eager(), Randomness(_SEED).held():
            rates = _tried(partial(_rates, nodes[number], batch.size or 0)) if is_pure(nodes[number]) else None
        if is_map and rates is None:
            stays = batch  # of what it is made, and with it all maps before this one
        found[number] = dataclasses.replace(found[number], rates=rates)
    return found


def _rates(node: Any, batch: int) -> Rates | None:
    """None where samples cannot be made up, or where no way is found to call its function with batches."""
    spec = node._inputs()[0].element_spec
    sizes = _bytes(spec), _bytes(node.element_spec)
    rows = min(batch, _MOST_BYTES // max(sizes)) if all(sizes) else 0
    if rows < _FEWEST:
        return None
    data = tf.data.Dataset.from_tensor_slices(_made_up(spec, rows))
    return _of_map(node, data, rows) if hasattr(node, "_map_func") else _of_prefetch(node, data, rows)


def _of_prefetch(node: Any, data: Any, rows: int) -> Rates:
    as_it_is = data.repeat().prefetch(int(tf.get_static_value(node._buffer_size))).batch(rows, True)
    in_batches = data.repeat().batch(rows, True).prefetch(tf.data.AUTOTUNE)
    return _compared(rows, as_it_is, in_batches)


def _of_map(node: Any, data: Any, rows: int) -> Rates | None:
    function = node._map_func._func
    rows = min(rows, int(_SLOWEST / _seconds_for_one(data.repeat().map(function))))
    if rows < _FEWEST:
        return None
    calls = getattr(node, "_num_parallel_calls", None)
    as_it_is = data.take(rows).repeat().map(function, calls).batch(rows, True)
    for by, batched in _batched(function):
        in_batches = _tried(partial(_moved, data.take(rows).repeat().batch(rows, True), batched, as_it_is))
        if in_batches is not None:
            return _compared(rows, as_it_is, in_batches, by)
    return None


def _batched(function: Function) -> Iterator[tuple[str, Function]]:
    yield "map() with the function as it is", function

    def vectorized(*parts: Any) -> Any:
        return tf.vectorized_map(lambda one: function(*one), parts, fallback_to_while_loop=False)

    yield "map(lambda *x: tf.vectorized_map(lambda one: f(*one), x)) with f as it is", vectorized


def _moved(batches: Any, function: Function, wanted: Any) -> Any:
    """The batches mapped, if they are those that are wanted; else None."""
    made = batches.map(function, tf.data.AUTOTUNE)
    if made.element_spec != wanted.element_spec:
        return None
    pairs = zip(_leaves(next(iter(made))), _leaves(next(iter(wanted))), strict=True)
    return made if all(np.allclose(one, other, rtol=1e-5, atol=1e-6) for one, other in pairs) else None


def _tried(work: Callable[[], T]) -> T | None:
    """What it gives; None where it raises."""
    try:
        return work()
    except Exception as error:  # noqa: BLE001 - a user's function may raise anything for what it was not written for
        log.debug("a stage was not measured: %s", error)
        return None


def _compared(rows: int, as_it_is: Any, in_batches: Any, by: str = "") -> Rates:
    """The best of each, in turn: what else the machine does then is not taken for a difference between them."""
    pairs = [(_rate(as_it_is), _rate(in_batches)) for _ in range(_ROUNDS)]
    return Rates(rows, rows * max(one for one, _ in pairs), rows * max(other for _, other in pairs), by)


def _rate(dataset: Any) -> float:
    """Elements a second."""
    elements = iter(dataset)
    next(elements)
    count, begun = 0, time.perf_counter()
    while (spent := time.perf_counter() - begun) < _ONE / _ROUNDS:
        next(elements)
        count += 1
    return count / spent


def _seconds_for_one(dataset: Any) -> float:
    """The least that one of its first elements takes; a slow one is enough to know."""
    elements, least = iter(dataset), math.inf
    for _ in range(_FEWEST):
        begun = time.perf_counter()
        next(elements)
        least = min(least, time.perf_counter() - begun)
        if least > _SLOWEST:
            break
    return least


def _made_up(spec: Any, rows: int) -> Any:
    generator = np.random.default_rng(_SEED)

    def leaf(tensor: Any) -> Any:
        kind, shape = tensor.dtype.as_numpy_dtype, (rows, *tensor.shape)
        drawn = generator.random(shape) if tensor.dtype.is_floating else generator.integers(0, 2, shape)
        return np.asarray(drawn).astype(kind)

    return tf.nest.map_structure(leaf, spec)


def _bytes(spec: Any) -> int:
    """Of an element; 0 for one that cannot be made up."""
    leaves = tf.nest.flatten(spec)
    known = [
        isinstance(leaf, tf.TensorSpec)
        and leaf.shape.is_fully_defined()
        and (leaf.dtype.is_floating or leaf.dtype.is_integer or leaf.dtype.is_bool)
        for leaf in leaves
    ]
    return sum(max(1, leaf.shape.num_elements()) * leaf.dtype.size for leaf in leaves) if all(known) else 0


def _leaves(element: Any) -> list[Any]:
    return [np.asarray(leaf) for leaf in tf.nest.flatten(element)]


@contextmanager
def _quiet() -> Iterator[None]:
    """Without TensorFlow's warnings about functions that it was not the user who called."""
    own = logging.getLogger("tensorflow")
    level = own.level
    own.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        own.setLevel(level)
