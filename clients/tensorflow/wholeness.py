"""Whether what a model_fn gave is whole, and can be run by the wafer: everything against it, at once."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from clients.tensorflow.host_call import host_call_to_eval_metric_ops
from clients.tensorflow.lines import line_of
from wafer_sim.compiler.program import EVALUATE, GRADIENTS, Entry
from wire.elements import NUMBERS
from wire.errors import InvalidInput, Refused
from wire.findings import Findings, located
from wire.observed import LARGEST

HostCall = tuple[Any, tuple[Any, ...]]
Metrics = dict[str, tuple[Any, Any]]

_KERAS_METRICS = ("/tf_keras/src/metrics/", "/keras/src/metrics/")


def look(spec: Any, entry: Entry, graph: Any, findings: Findings) -> None:
    """Look at a spec and the graph it is of. Its loss is the only thing that nothing can be found out without."""
    where = spec_line(spec)
    with findings:
        _require_loss(spec, graph, where)
    if entry.kind != GRADIENTS:
        return
    with findings:
        if getattr(spec, "train_op", None) is None:
            what = "the model_fn gives no train_op in training"
            raise InvalidInput(what, where=where, fix="return a spec with train_op=optimizer.minimize(loss, ...)")
    with findings:
        if getattr(spec, "eval_metric_ops", None):
            what = "eval_metric_ops cannot be computed in training on the system"
            raise Refused(what, where=where, fix="give them in evaluation only, or as a host_call instead")
    with findings:
        _refuse_metrics(graph)


def spec_line(spec: Any) -> str:
    """The user's line that made a spec."""
    return getattr(spec, "made_at", "") or "model_fn"


def host_call_of(spec: Any, entry: Entry) -> HostCall | None:
    """In training. Raises Refused for tensors that are too much, or no numbers of a fixed shape."""
    given = getattr(spec, "host_call", None)
    if given is None or entry.kind != GRADIENTS:
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


def metrics_of(spec: Any, entry: Entry) -> Metrics:
    """In evaluation: name -> (value, update). Raises InvalidInput for every one that is none, at once."""
    if entry.kind != EVALUATE:
        return {}
    given = getattr(spec, "eval_metric_ops", None) or {}
    host_call = getattr(spec, "host_call", None)
    if not given and host_call is not None:
        given = host_call_to_eval_metric_ops(host_call)
    findings, found = Findings(), {}
    for name, metric in given.items():
        with findings, located(spec_line(spec)):
            found[str(name)] = _pair(str(name), metric)
    findings.settle()
    return found


def _pair(name: str, metric: Any) -> tuple[Any, Any]:
    if not isinstance(metric, tuple | list) or len(metric) != 2:
        what = f"metric {name!r} is a {type(metric).__name__}, no (value, update_op)"
        raise InvalidInput(what, fix="use the functions of tf.compat.v1.metrics")
    value = tf.convert_to_tensor(metric[0])
    if value.shape.rank != 0:
        what = f"metric {name!r} has shape {value.shape}, a metric is one number"
        raise InvalidInput(what, where=line_of(value.op), fix="give one metric for each number")
    return value, metric[1]


def _require_loss(spec: Any, graph: Any, where: str) -> None:
    if getattr(spec, "loss", None) is None:
        raise InvalidInput("the model_fn gives no loss", where=where, fix="return a spec with loss=...")
    with graph.as_default():
        loss = tf.convert_to_tensor(spec.loss)
    if loss.shape.rank != 0:
        what = f"the loss has shape {loss.shape}, a loss is one number"
        raise InvalidInput(what, where=line_of(loss.op), fix="take tf.reduce_mean of it")


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
