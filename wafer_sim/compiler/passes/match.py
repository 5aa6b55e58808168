"""Each operation becomes the kernel that computes it, and gets its cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from wafer_sim.compiler.passes.shapes import WRONG, refused, resolved
from wafer_sim.graph.kernel_graph import BACKWARD, FORWARD, PARAMETER, Call, Cost, KernelGraph, Ref, references
from wafer_sim.graph.validity import MATCHED
from wafer_sim.kernels.costs import amount
from wafer_sim.kernels.operands import Operand
from wafer_sim.kernels.registry import BY_OPERATION


def match(graph: KernelGraph) -> KernelGraph:
    """The graph in kernels: a call's arguments are the values it reads."""
    operands = {name: Operand(spec.shape, spec.dtype) for name, spec in graph.values.items()}
    makers = {name: call for call in graph.calls for name in call.made}
    calls = [_matched(call, operands, makers) for call in graph.calls]
    return graph.with_calls(calls, MATCHED)


def _matched(call: Call, operands: dict[str, Operand], makers: Mapping[str, Call]) -> Call:
    arguments = tuple(resolved(a, operands) for a in call.arguments)
    options = {key: resolved(value, operands) for key, value in call.options.items()}
    made = [None if name is None else operands[name] for name in call.outputs]
    try:
        macs, other = amount(call.kernel, arguments, options, made)
    except WRONG as error:
        raise refused(call, "what it costs", error) from error
    read = sum(operands[name].spec.bytes for name in call.inputs)
    written = sum(m.spec.bytes for m in made if m is not None)
    given = tuple(Ref(n) for a in (*call.arguments, *call.options.values()) for n in references(a))
    return replace(
        call, kernel=kernel_of(call, makers), arguments=given, options={}, cost=Cost(macs, other, read, written)
    )


def kernel_of(call: Call, makers: Mapping[str, Call]) -> str:
    """The kernel of an operation: by its name, and where that does not decide by how it is called."""
    name = BY_OPERATION[call.kernel].name
    if name in ("conv", "conv_input_backward"):
        return _convolution(name, call)
    if name == "pow" and call.arguments[-1] == 2:
        return "square"
    table = call.arguments[0] if call.arguments else None
    if name == "gather" and isinstance(table, Ref) and _root(table.name, makers).startswith(PARAMETER):
        return "embedding"
    unscaled = name == "batch_norm" and call.kernel.startswith("tf.") and not _scaled(call, makers)
    return "layer_norm" if unscaled else name


def _convolution(name: str, call: Call) -> str:
    """TensorFlow's gradient of a convolution is, forward, a transposed one, and the other way round."""
    if call.kernel.startswith("aten."):
        return "conv_transpose" if call.arguments[6] is True else name
    if name == "conv":
        return "conv_input_backward" if call.phase == BACKWARD else name
    return "conv_transpose" if call.phase == FORWARD else name


def _scaled(call: Call, makers: Mapping[str, Call]) -> bool:
    """A normalisation with a weight of its own. Keras normalises layers with one that has ones for weights."""
    weight = call.arguments[1]
    return isinstance(weight, Ref) and _root(weight.name, makers).startswith(PARAMETER)


def _root(name: str, makers: Mapping[str, Call]) -> str:
    while name in makers and BY_OPERATION[makers[name].kernel].family in ("cast", "view") and makers[name].inputs:
        name = makers[name].inputs[0]
    return name
