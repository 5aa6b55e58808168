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

from clients.sources import innermost, model_errors
from clients.tensorflow.gradients import Seen, gradients_seen
from clients.tensorflow.host_call import host_call_to_eval_metric_ops
from streamer import structure
from wafer_sim.compiler.program import EVALUATE, GRADIENTS, Entry
from wire.elements import NUMBERS
from wire.errors import InvalidInput, Refused
from wire.observed import LARGEST

Call = Callable[[Any, Any, str], Any]
"""(features, labels, mode) -> what a model_fn returns: .loss, .train_op, .eval_metric_ops, .host_call."""

MODES = {GRADIENTS: "train", EVALUATE: "eval"}
"""What a model_fn gets as its mode: the values of ModeKeys."""
_KERAS_METRICS = ("/tf_keras/src/metrics/", "/keras/src/metrics/")


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
    host_call: tuple[Any, tuple[Any, ...]] | None = None


def fields(element: Any) -> dict[str, Any]:
    """The element's TensorSpecs by name: as `streamer.structure` names and orders the arrays of a batch.

    Raises InvalidInput for what cannot travel, and for a dimension whose length is not known.
    """
    found = dict(structure.leaves(_without_nothing(element)))
    for name, spec in found.items():
        _require_static(name, spec)
    return found


def build(call: Call, element: Any, entry: Entry, seed: int) -> Built:
    """Call a model_fn in a fresh graph, for one entry. Raises InvalidInput at the user's line, Refused."""
    graph: Any = tf.Graph()
    with graph.as_default(), gradients_seen(graph) as seen, _keras_seeds(seed), _branches_in_the_graph():
        tf.compat.v1.set_random_seed(seed)
        tf.compat.v1.get_variable_scope().set_use_resource(True)
        _set_learning_phase(training=entry.kind == GRADIENTS)
        inputs = {name: _placeholder(name, spec, entry) for name, spec in fields(element).items()}
        features, labels = _filled(element, iter(inputs.values()))
        with model_errors("calling model_fn"):
            spec = call(features, labels, MODES[entry.kind])
            metrics = _metrics(spec) if entry.kind == EVALUATE else {}
        _require_whole(spec, entry, graph)
        loss = tf.convert_to_tensor(spec.loss)
        host_call = _host_call(spec) if entry.kind == GRADIENTS else None
    return Built(graph, inputs, loss, getattr(spec, "train_op", None), metrics, seen, host_call)


def line_of(op: Any) -> str:
    """The user's line that made an operation; for one of the backward pass, the line it is the gradient of."""
    while getattr(op, "_original_op", None) is not None:
        op = op._original_op
    return innermost((frame.filename, frame.lineno) for frame in op.traceback)


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
        raise InvalidInput(what, where="input_fn", fix="give dense tensors of a fixed shape")
    if spec.shape.rank is None or spec.shape.rank == 0 or None in spec.shape[1:].as_list():
        what = f"{where} has shape {spec.shape}; every length but the first must be known"
        raise InvalidInput(what, where="input_fn", fix="pad or set_shape in the map of input_fn")
    if spec.dtype.name not in (*NUMBERS, "bfloat16"):
        what = f"{where} has dtype {spec.dtype.name}, which the wafer does not take"
        raise InvalidInput(what, where="input_fn", fix="turn it into numbers in the map of input_fn")


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


def _host_call(spec: Any) -> tuple[Any, tuple[Any, ...]] | None:
    """Raises Refused for tensors that are too much, or no numbers of a fixed shape."""
    given = getattr(spec, "host_call", None)
    if given is None:
        return None
    tensors = tuple(map(tf.convert_to_tensor, given[1]))
    for tensor in tensors:
        if tensor.dtype.name not in (*NUMBERS, "bfloat16") or not tensor.shape.is_fully_defined():
            what = f"the host call gets {tensor.dtype.name} of shape {tensor.shape}, and takes numbers of a fixed shape"
            raise Refused(what, where=line_of(tensor.op), fix="give it a number, such as a mean")
    if (size := sum(tensor.shape.num_elements() * tensor.dtype.size for tensor in tensors)) > LARGEST:
        what = f"the host call of training gets {size:,} bytes; at most {LARGEST:,} leave the system in a step"
        raise Refused(what, where=line_of(tensors[-1].op), fix="give it numbers, such as means and norms")
    return given[0], tensors


def _metrics(spec: Any) -> dict[str, tuple[Any, Any]]:
    given = getattr(spec, "eval_metric_ops", None) or {}
    host_call = getattr(spec, "host_call", None)
    if not given and host_call is not None:
        given = host_call_to_eval_metric_ops(host_call)
    return {str(name): _pair(str(name), metric) for name, metric in given.items()}


def _pair(name: str, metric: Any) -> tuple[Any, Any]:
    if not isinstance(metric, tuple | list) or len(metric) != 2:
        what = f"metric {name!r} is a {type(metric).__name__}, no (value, update_op)"
        raise InvalidInput(what, where="model_fn", fix="use the functions of tf.compat.v1.metrics")
    value = tf.convert_to_tensor(metric[0])
    if value.shape.rank != 0:
        what = f"metric {name!r} has shape {value.shape}, a metric is one number"
        raise InvalidInput(what, where=line_of(value.op), fix="give one metric for each number")
    return value, metric[1]


def _require_whole(spec: Any, entry: Entry, graph: Any) -> None:
    if getattr(spec, "loss", None) is None:
        raise InvalidInput("the model_fn gives no loss", where="model_fn", fix="return a spec with loss=...")
    with graph.as_default():
        loss = tf.convert_to_tensor(spec.loss)
    if loss.shape.rank != 0:
        what = f"the loss has shape {loss.shape}, a loss is one number"
        raise InvalidInput(what, where=line_of(loss.op), fix="take tf.reduce_mean of it")
    if entry.kind != GRADIENTS:
        return
    if getattr(spec, "train_op", None) is None:
        what = "the model_fn gives no train_op in training"
        raise InvalidInput(what, where="model_fn", fix="return a spec with train_op=optimizer.minimize(loss, ...)")
    if getattr(spec, "eval_metric_ops", None):
        what = "eval_metric_ops cannot be computed in training on the system"
        raise Refused(what, where="model_fn", fix="give them in evaluation only, or as a host_call instead")
    _refuse_metrics(graph)


def _refuse_metrics(graph: Any) -> None:
    """The Metrics API keeps its counts in variables, which is how it is recognised."""
    keys = tf.compat.v1.GraphKeys
    local = {v.op.name for key in (keys.LOCAL_VARIABLES, keys.METRIC_VARIABLES) for v in graph.get_collection(key)}
    for op in graph.get_operations():
        keras = op.type == "VarHandleOp" and any(
            inside in frame.filename for frame in op.traceback for inside in _KERAS_METRICS
        )
        if op.name in local or keras:
            raise Refused(
                "the Metrics API cannot be used in the model in training on the system",
                where=line_of(op),
                fix="compute metrics in evaluation only, or as a host_call instead",
            )
