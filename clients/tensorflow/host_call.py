"""host_call = (fn, [tensors]): what the host computes from values that come off the system."""

from __future__ import annotations

import inspect
from typing import Any

from wire.errors import InvalidInput

_FORM = "write host_call=(fn, [tensor, ...]), with one tensor for each argument of fn"


def validate_host_call(host_call: Any) -> None:
    """Raises InvalidInput for anything that is not (fn, [tensors]), or where fn does not take that many."""
    if not isinstance(host_call, tuple | list) or len(host_call) != 2:
        raise InvalidInput("host_call is no pair", fix=_FORM)
    function, tensors = host_call
    if not callable(function):
        raise InvalidInput(f"host_call begins with {function!r}, no function", fix=_FORM)
    if not isinstance(tensors, tuple | list):
        what = f"the second part of host_call is a {type(tensors).__name__}, not a list of tensors"
        raise InvalidInput(what, fix=_FORM)
    for number, tensor in enumerate(tensors):
        if not hasattr(tensor, "dtype") or not hasattr(tensor, "shape"):
            what = f"tensor {number} of host_call is a {type(tensor).__name__}, no tensor"
            raise InvalidInput(what, fix=_FORM)
    _require_arity(function, len(tensors))


def host_call_to_eval_metric_ops(host_call: Any) -> dict[str, Any]:
    """The metrics of a host call as eval_metric_ops: name -> (value, update). They are made in the default graph.

    Raises InvalidInput for a host_call that is none, or that does not give a dict.
    """
    validate_host_call(host_call)
    function, tensors = host_call
    metrics = function(*tensors)
    if not isinstance(metrics, dict):
        what = f"the function of host_call gives a {type(metrics).__name__} in evaluation"
        fix = 'give a dict such as {"accuracy": tf.compat.v1.metrics.accuracy(...)}'
        raise InvalidInput(what, where=_place(function), fix=fix)
    return metrics


def _require_arity(function: Any, count: int) -> None:
    try:
        inspect.signature(function).bind(*range(count))
    except TypeError as error:
        what = f"the function of host_call does not take {count} tensors: {error}"
        raise InvalidInput(what, where=_place(function), fix=_FORM) from None


def _place(function: Any) -> str:
    code = getattr(function, "__code__", None)
    return f"{code.co_filename}:{code.co_firstlineno}" if code else ""
