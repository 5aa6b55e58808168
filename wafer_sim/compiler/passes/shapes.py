"""Lengths and dtypes of all values, by the kernels' shape rules; lengths that a graph computes become numbers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from wafer_sim.compiler.passes.canonicalise import needed
from wafer_sim.graph.kernel_graph import Argument, Call, KernelGraph, Ref
from wafer_sim.graph.validity import SHAPED
from wafer_sim.kernels.aten_shapes import aten_result
from wafer_sim.kernels.operands import Operand
from wafer_sim.kernels.tensorflow_shapes import tensorflow_result
from wire.errors import Refused

WRONG = (ValueError, TypeError, IndexError, KeyError, AttributeError, ZeroDivisionError, OverflowError)


def shapes(graph: KernelGraph) -> KernelGraph:
    """The graph with its values known. Raises Refused, at the user's line, where a shape cannot be known."""
    found = {name: Operand(spec.shape, spec.dtype) for name, spec in graph.values.items()}
    calls = []
    for call in graph.calls:
        for name, operand in zip(call.outputs, results(call, found), strict=False):
            if name is not None:
                found[name] = operand
        _require_all(call, found)
        calls.append(_with_numbers(call, found))
    calls = needed([c for c in calls if c.outputs == () or not _known(c, found, graph)], graph.outputs)
    made = {name for call in calls for name in call.made} | graph.values.keys()
    values = {name: operand.spec for name, operand in found.items() if name in made}
    return replace(graph, stage=SHAPED, calls=tuple(calls), values=values)


def results(call: Call, found: dict[str, Operand]) -> tuple[Operand, ...]:
    """What a call makes. Raises Refused, at the user's line, for a call that cannot be."""
    arguments = tuple(resolved(a, found) for a in call.arguments)
    options = {key: resolved(value, found) for key, value in call.options.items()}
    try:
        if call.kernel.startswith("tf."):
            return tensorflow_result(call.kernel, arguments, options)
        return aten_result(call.kernel, arguments, options)
    except WRONG as error:
        raise refused(call, "the shape of what it gives", error) from error


def resolved(argument: Argument, found: dict[str, Operand]) -> Any:
    """An argument with what is known of a value in its place."""
    if isinstance(argument, Ref):
        return found[argument.name]
    return tuple(resolved(part, found) for part in argument) if isinstance(argument, tuple) else argument


def _require_all(call: Call, found: dict[str, Operand]) -> None:
    if missing := [name for name in call.made if name not in found]:
        error = ValueError(f"it has no result {call.outputs.index(missing[0])}")
        raise refused(call, "the shape of what it gives", error)


def refused(call: Call, what: str, why: Exception) -> Refused:
    """The error of a call about which something cannot be known."""
    said = f"{call.kernel}: {what} cannot be known ({why or type(why).__name__})"
    return Refused(said, where=call.source, fix="rewrite this line with shapes that do not depend on the data")


def _known(call: Call, found: dict[str, Operand], graph: KernelGraph) -> bool:
    return all(found[n].value is not None for n in call.made) and not set(call.made) & set(graph.outputs.values())


def _with_numbers(call: Call, found: dict[str, Operand]) -> Call:
    arguments = tuple(_number(a, found) for a in call.arguments)
    return replace(call, arguments=arguments, options={k: _number(v, found) for k, v in call.options.items()})


def _number(argument: Argument, found: dict[str, Operand]) -> Argument:
    if isinstance(argument, tuple):
        return tuple(_number(part, found) for part in argument)
    if not isinstance(argument, Ref) or (value := found[argument.name].value) is None:
        return argument
    return _nested(value.tolist())


def _nested(data: Any) -> Argument:
    return tuple(_nested(part) for part in data) if isinstance(data, list) else data
