"""Memory used again: a call writes over its first argument where nothing reads that any more."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from wafer_sim.compiler.program import Node, Ref, references
from wafer_sim.kernels.aten import KERNELS
from wafer_sim.runtime.fusion import CROSS_ENTROPY_BACKWARD

RELU_BACKWARD = "wafer.relu_backward"
IN_PLACE: Mapping[str, str] = {
    CROSS_ENTROPY_BACKWARD: "wafer.cross_entropy_backward_in_place",
    RELU_BACKWARD: "wafer.relu_backward_in_place",
    "aten.relu.default": "wafer.relu_in_place",
}
"""Calls, and what does the same in the memory of the first argument."""

_NEW = frozenset(
    {
        *(f"aten.{name}.default" for name in ("addmm", "mm", "bmm", "baddbmm", "_log_softmax", "_softmax")),
        *(f"aten.{name}.Tensor" for name in ("add", "sub", "mul")),
    }
)
_READING = frozenset(
    kernel.op
    for kernel in KERNELS.values()
    if kernel.family in ("matmul", "attention", "loss", "activation", "comparison") or "gather" in kernel.op
)


def reusing(nodes: Sequence[Node], kept: Collection[int]) -> list[Node]:
    """The same calls, in place where it cannot be seen. kept: values that are read after the last call.

    The first argument must be memory of its own: of a call that makes some, and with readers only that give none of it
    away, of which this is the last.
    """
    makers = {out: node for node in nodes for out in node.outputs if out is not None}
    readers: dict[int, list[Node]] = {}
    for node in nodes:
        for ref in references(node):
            readers.setdefault(ref.index, []).append(node)
    return [_in_place(node, makers, readers, kept) for node in nodes]


def _in_place(
    node: Node, makers: Mapping[int, Node], readers: Mapping[int, Sequence[Node]], kept: Collection[int]
) -> Node:
    first = node.args[0] if node.op in IN_PLACE else None
    maker = makers.get(first.index) if isinstance(first, Ref) else None
    if not isinstance(first, Ref) or maker is None or maker.op not in _NEW or first.index in kept:
        return node
    *before, last = readers[first.index]
    if last is node and all(reader.op in _READING for reader in before):
        return replace(node, op=IN_PLACE[node.op])
    return node
