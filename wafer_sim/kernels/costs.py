"""What a call costs: multiply-accumulates and other operations, for the whole batch."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from wafer_sim.kernels.operands import Operand
from wafer_sim.kernels.registry import BY_OPERATION, Kernel
from wafer_sim.kernels.tensorflow_shapes import einsum_lengths

Arguments = Sequence[Any]
Options = Mapping[str, Any]
Made = Sequence[Operand | None]
Amount = tuple[int, int]
"""Multiply-accumulates and other operations."""


def amount(op: str, arguments: Arguments, options: Options, made: Made) -> Amount:
    """The cost of a call. arguments: with an Operand for each value. made: its results, None for one nobody reads."""
    kernel = BY_OPERATION[op]
    rule = _BY_KERNEL.get(kernel.name) or _BY_FAMILY.get(kernel.family, _each_made)
    return rule(op, kernel, arguments, options, made)


def _given(arguments: Arguments) -> list[Operand]:
    flat = [part for a in arguments for part in (a if isinstance(a, tuple) else (a,))]
    return [a for a in flat if isinstance(a, Operand)]


def _elements(made: Made) -> int:
    return max((m.elements for m in made if m is not None), default=0)


def _each_made(_: str, kernel: Kernel, __: Arguments, ___: Options, made: Made) -> Amount:
    return 0, kernel.operations * _elements(made)


def _each(_: str, kernel: Kernel, arguments: Arguments, __: Options, made: Made) -> Amount:
    """So much for each element of the largest value."""
    return 0, kernel.operations * max([_elements(made), *(o.elements for o in _given(arguments))])


def _power(op: str, kernel: Kernel, arguments: Arguments, _: Options, made: Made) -> Amount:
    squared = op == "aten.pow.Tensor_Scalar" and arguments[1] == 2
    return 0, (1 if squared else kernel.operations) * _elements(made)


def _matmul(op: str, _: Kernel, arguments: Arguments, options: Options, made: Made) -> Amount:
    operands = _given(arguments)
    if op == "tf.Einsum":
        return math.prod(einsum_lengths(str(options["equation"]), operands)[0].values()), 0
    added = op.split(".")[1] in ("addmm", "baddbmm", "addmv")
    left = operands[1 if added else 0]
    turned = options.get("transpose_a") or options.get("adj_x")
    length = left.shape[-2 if turned else -1]
    biased = added or (op.startswith("aten.linear") and len(operands) > 2)
    return _elements(made) * length, _elements(made) if biased else 0


def _convolution(op: str, _: Kernel, arguments: Arguments, __: Options, made: Made) -> Amount:
    source, weight = _given(arguments)[:2]
    if op.startswith("tf."):
        return _elements(made) * _filter(op, weight), 0
    transposed = bool(arguments[6])
    each = weight.elements // weight.shape[0]
    bias = _elements(made) if isinstance(arguments[2], Operand) else 0
    return (source.elements if transposed else _elements(made)) * each, bias


def _filter(op: str, weight: Operand) -> int:
    """Multiply-accumulates of one element of the result."""
    kept = weight.shape[-2] * weight.shape[-1] if "Depthwise" in op else weight.shape[-1]
    return weight.elements // kept


def _convolution_backward(op: str, _: Kernel, arguments: Arguments, __: Options, made: Made) -> Amount:
    if op.startswith("tf."):
        gradient = _given(arguments)[-1]
        weight = made[0] if "Filter" in op else _given(arguments)[-2]
        return gradient.elements * _filter(op, weight) if weight is not None else 0, 0
    gradient, source, weight = _given(arguments)[:3]
    transposed, wanted = bool(arguments[7]), arguments[10]
    each = (source if transposed else gradient).elements * (weight.elements // weight.shape[0])
    used = [bool(w) and m is not None for w, m in zip(wanted, [*made, None, None, None][:3], strict=True)]
    return each * (used[0] + used[1]), gradient.elements if used[2] else 0


def _pooling(_: str, __: Kernel, arguments: Arguments, options: Options, made: Made) -> Amount:
    window = options.get("ksize") or (arguments[1] if len(arguments) > 1 else 1)
    size = math.prod(n for n in window if isinstance(n, int)) if isinstance(window, tuple) else 1
    return 0, max(size * _elements(made), _given(arguments)[0].elements)


def _last(op: str, kernel: Kernel, arguments: Arguments, _: Options, __: Made) -> Amount:
    """What is scattered: the last value, but for the operations that end with a length."""
    operands = _given(arguments)
    place = {"tf.ScatterNd": 1}.get(op, 0 if kernel.name in ("segment", "embedding_backward") else -1)
    return 0, kernel.operations * operands[min(place, len(operands) - 1)].elements


def _update(_: str, kernel: Kernel, arguments: Arguments, __: Options, ___: Made) -> Amount:
    return 0, kernel.operations * _given(arguments)[0].elements


Rule = Callable[[str, Kernel, Arguments, Options, Made], Amount]

_BY_KERNEL: dict[str, Rule] = {
    "pow": _power,
    "conv": _convolution,
    "conv_backward": _convolution_backward,
    "conv_input_backward": _convolution_backward,
    "conv_weight_backward": _convolution_backward,
    "max_pool": _pooling,
    "avg_pool": _pooling,
    "scatter": _last,
    "segment": _last,
    "embedding_backward": _last,
    "top_k": _each,
}
_BY_FAMILY: dict[str, Rule] = {
    "matmul": _matmul,
    "reduction": _each,
    "norm": _each,
    "softmax": _each,
    "loss": _each,
    "pooling": _each,
    "update": _update,
}
