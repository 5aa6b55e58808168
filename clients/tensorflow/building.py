"""A model_fn, called once in a graph of its own."""

from __future__ import annotations

import random
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import tensorflow as tf
import tf_keras
from tf_keras.src import backend as keras_backend

from clients.sources import model_errors
from clients.tensorflow.gradients import Seen, gradients_seen
from clients.tensorflow.wholeness import HostCall, Metrics, host_call_of, look, metrics_of
from streamer import structure
from wafer_sim.compiler.program import EVALUATE, GRADIENTS, Entry
from wire.elements import NUMBERS
from wire.errors import InvalidInput
from wire.findings import Findings

Call = Callable[[Any, Any, str], Any]
"""(features, labels, mode) -> what a model_fn returns: .loss, .train_op, .eval_metric_ops, .host_call."""

MODES = {GRADIENTS: "train", EVALUATE: "eval"}
"""What a model_fn gets as its mode: the values of ModeKeys."""


@dataclass(frozen=True, slots=True)
class Built:
    """A graph that a model_fn made. inputs: field -> its placeholder. metrics: name -> (value, update).

    host_call: in training, the function and the tensors that it gets.
    """

    graph: Any
    inputs: Mapping[str, Any]
    loss: Any
    train_op: Any
    metrics: Mapping[str, tuple[Any, Any]]
    seen: Seen
    host_call: HostCall | None = None


def fields(element: Any) -> dict[str, Any]:
    """The element's TensorSpecs by name: as `streamer.structure` names and orders the arrays of a batch.

    Raises InvalidInput for what cannot travel, and for a dimension whose length is not known, of every field at once.
    """
    found, findings = dict(structure.leaves(_without_nothing(element))), Findings()
    for name, spec in found.items():
        with findings:
            _require_static(name, spec)
    findings.settle()
    return found


def build(call: Call, element: Any, entry: Entry, seed: int, findings: Findings) -> Built:
    """Call a model_fn in a fresh graph, for one entry. findings: get what is wrong with what it gives.

    Raises InvalidInput at the user's line where it raises, and what was found where it gives no loss.
    """
    graph: Any = tf.Graph()
    with graph.as_default(), gradients_seen(graph) as seen, _keras_seeds(seed), _branches_in_the_graph():
        tf.compat.v1.set_random_seed(seed)
        tf.compat.v1.get_variable_scope().set_use_resource(True)
        _set_learning_phase(training=entry.kind == GRADIENTS)
        inputs = {name: _placeholder(name, spec, entry) for name, spec in fields(element).items()}
        features, labels = _filled(element, iter(inputs.values()))
        with model_errors("calling model_fn"):
            spec = call(features, labels, MODES[entry.kind])
        metrics: Metrics = {}
        with findings, model_errors("calling model_fn"):
            metrics = metrics_of(spec, entry)
        look(spec, entry, graph, findings)
        if getattr(spec, "loss", None) is None:
            findings.settle()
        host_call = None
        with findings:
            host_call = host_call_of(spec, entry)
        loss = tf.convert_to_tensor(spec.loss)
    return Built(graph, inputs, loss, getattr(spec, "train_op", None), metrics, seen, host_call)


def in_order(graph: Any) -> list[Any]:
    """A graph's operations, each after those that it needs; else in the order in which they were made.

    In a loop, which has no such order, one of them comes too early.
    """
    found: dict[str, Any] = {}
    entered: set[str] = set()
    waiting = list(reversed(graph.get_operations()))
    while waiting:
        op = waiting.pop()
        if op.name in entered:
            found.setdefault(op.name, op)
            continue
        entered.add(op.name)
        waiting.append(op)
        needs = [tensor.op for tensor in op.inputs] + list(op.control_inputs)
        waiting += (first for first in reversed(needs) if first.name not in entered)
    return list(found.values())


def _without_nothing(element: Any) -> Any:
    features, labels = element
    return (features,) if labels is None else (features, labels)


def _filled(value: Any, tensors: Iterator[Any]) -> Any:
    """The same structure, with tensors in the place of its specs."""
    if value is None:
        return None
    if isinstance(value, Mapping):
        return {key: _filled(part, tensors) for key, part in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(_filled(part, tensors) for part in value))
    if isinstance(value, tuple | list):
        return type(value)(_filled(part, tensors) for part in value)
    return next(tensors)


def _require_static(name: str, spec: Any) -> None:
    where = f"field {name!r}"
    if not isinstance(spec, tf.TensorSpec):
        what = f"{where} is a {type(spec).__name__}, the wafer takes tensors"
        raise InvalidInput(what, fix="give dense tensors of a fixed shape in input_fn")
    if spec.shape.rank is None or spec.shape.rank == 0 or None in spec.shape[1:].as_list():
        what = f"{where} has shape {spec.shape}; every length but the first must be known"
        raise InvalidInput(what, fix="pad or set_shape in the map of input_fn")
    if spec.dtype.name not in (*NUMBERS, "bfloat16"):
        what = f"{where} has dtype {spec.dtype.name}, which the wafer does not take"
        raise InvalidInput(what, fix="turn it into numbers in the map of input_fn")


def _placeholder(name: str, spec: Any, entry: Entry) -> Any:
    shape = (entry.batch_size, *spec.shape[1:].as_list())
    return tf.compat.v1.placeholder(spec.dtype, shape, name="input_" + "".join(c if c.isalnum() else "_" for c in name))


def _set_learning_phase(*, training: bool) -> None:
    """For layers that are called without `training`. It is kept for this graph only, and goes with it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tf_keras.backend.set_learning_phase(int(training))


@contextmanager
def _keras_seeds(seed: int) -> Iterator[None]:
    """Layers draw their initialisers' seeds from here; set_random_seed, the public way, seeds numpy and random too."""
    held = keras_backend._SEED_GENERATOR
    before = getattr(held, "generator", None)
    held.generator = random.Random(seed)  # noqa: S311 - no secret
    try:
        yield
    finally:
        held.generator = before


@contextmanager
def _branches_in_the_graph() -> Iterator[None]:
    """A tf.cond becomes operations of the graph itself, not a call of functions."""
    functional = tf.compat.v1.control_flow_v2_enabled()
    tf.compat.v1.disable_control_flow_v2()
    try:
        yield
    finally:
        if functional:
            tf.compat.v1.enable_control_flow_v2()
