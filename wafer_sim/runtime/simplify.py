"""A graph, made cheaper to interpret without changing what it computes.

Graphs are functional: no call changes a value, so a copy of a value may be the value itself, and equal calls are one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from wafer_sim.compiler.program import Argument, Graph, Node, Ref, references
from wafer_sim.kernels.aten import KERNELS
from wafer_sim.runtime.fusion import fused
from wafer_sim.runtime.reuse import RELU_BACKWARD, reusing

CONTIGUOUS = "wafer.contiguous"
DROPOUT = "wafer.dropout"

_SAME = {"aten.alias.default", "aten.detach.default"}
_ASSERTIONS = {kernel.op for kernel in KERNELS.values() if kernel.family == "assertion"}
_IGNORED = {"device", "layout", "pin_memory", "non_blocking"}


@dataclass(frozen=True, slots=True)
class Call:
    """A node with its number in the program's graph, which seeds its random draws and never changes."""

    number: int
    node: Node


def simplify(graph: Graph) -> tuple[list[Call], dict[str, int]]:
    """The calls that are left, in order, and the graph's outputs as value numbers."""
    rewriter = _Rewriter()
    for number, node in enumerate(graph.nodes):
        rewriter.add(number, node)
    outputs = {name: rewriter.same.get(ref.index, ref.index) for name, ref in graph.outputs.items()}
    calls = _needed(rewriter.calls, outputs.values())
    calls = _needed(_fuse_dropout(calls, set(outputs.values())), outputs.values())
    return _fuse_kernels(calls, set(outputs.values())), outputs


def _fuse_kernels(calls: list[Call], kept: set[int]) -> list[Call]:
    together = zip(calls, fused([call.node for call in calls]), strict=True)
    left = _needed([Call(call.number, node) for call, node in together if node is not None], kept)
    nodes = reusing([call.node for call in left], kept)
    return [Call(call.number, node) for call, node in zip(left, nodes, strict=True)]


class _Rewriter:
    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.same: dict[int, int] = {}
        self._made_by: dict[int, Node] = {}
        self._seen: dict[str, tuple[int | None, ...]] = {}

    def add(self, number: int, node: Node) -> None:
        node = self._cleaned(node)
        if node.op in _ASSERTIONS:
            return
        if (value := self._already(node)) is not None:
            self._replace(node.outputs, (value,))
            return
        node = self._relu_backward(node)
        key = f"{node.op}{node.args!r}{sorted(node.kwargs.items())!r}"
        draws = node.op in KERNELS and KERNELS[node.op].draws
        if not draws and key in self._seen and _covers(self._seen[key], node.outputs):
            self._replace(node.outputs, self._seen[key])
            return
        self._seen[key] = node.outputs
        self._made_by.update((out, node) for out in node.outputs if out is not None)
        self.calls.append(Call(number, node))

    def _cleaned(self, node: Node) -> Node:
        kwargs = {key: _substitute(value, self.same) for key, value in node.kwargs.items() if key not in _IGNORED}
        op = CONTIGUOUS if node.op == "aten.clone.default" else node.op
        if op != CONTIGUOUS:
            kwargs.pop("memory_format", None)
        args = tuple(_substitute(argument, self.same) for argument in node.args)
        return replace(node, op=op, args=args, kwargs=kwargs)

    def _already(self, node: Node) -> int | None:
        first = node.args[0] if node.args else None
        if not isinstance(first, Ref):
            return None
        if node.op in _SAME:
            return first.index
        before = self._made_by.get(first.index)
        if node.op == "aten.permute.default" and before is not None and before.op == node.op:
            inner, outer = before.args[1], node.args[1]
            origin = before.args[0]
            if isinstance(inner, tuple) and isinstance(outer, tuple) and isinstance(origin, Ref):
                return origin.index if _undo(inner, outer) else None
        return None

    def _relu_backward(self, node: Node) -> Node:
        """where(y <= 0, 0, g), with y a relu's result, is one pass over memory instead of two."""
        if node.op != "aten.where.self" or not all(isinstance(a, Ref) for a in node.args):
            return node
        test, zero, _ = (self._made_by.get(a.index) for a in node.args if isinstance(a, Ref))
        if test is None or zero is None or test.op != "aten.le.Scalar" or test.args[1] != 0:
            return node
        result = test.args[0]
        maker = self._made_by.get(result.index) if isinstance(result, Ref) else None
        is_zero = zero.op == "aten.scalar_tensor.default" and zero.args[0] == 0
        if maker is None or maker.op != "aten.relu.default" or not is_zero:
            return node
        return replace(node, op=RELU_BACKWARD, args=(node.args[2], result))

    def _replace(self, outputs: Sequence[int | None], values: Sequence[int | None]) -> None:
        for out, value in zip(outputs, values, strict=True):
            if out is not None and value is not None:
                self.same[out] = value


def _fuse_dropout(calls: list[Call], kept: set[int]) -> list[Call]:
    """Where a dropout's mask is only cast and scaled, the scaled mask is made at once and used in both directions."""
    users: dict[int, list[Node]] = {}
    for call in calls:
        for ref in references(call.node):
            users.setdefault(ref.index, []).append(call.node)
    fused: dict[int, Call] = {}
    gone: set[int] = set()
    for call in calls:
        chain = _mask_chain(call.node, users, kept)
        if chain is not None:
            out, mask = call.node.outputs
            cast, scaled = chain
            noise = scaled.outputs[0]
            args = (*call.node.args[:2], cast.kwargs["dtype"], scaled.args[1])
            fused[call.number] = Call(call.number, Node(DROPOUT, args, {}, (out, noise), call.node.source))
            gone |= {o for o in (mask, cast.outputs[0], noise) if o is not None}
    return [fused.get(c.number, c) for c in calls if c.number in fused or not gone.intersection(c.node.outputs)]


def _mask_chain(node: Node, users: Mapping[int, list[Node]], kept: set[int]) -> tuple[Node, Node] | None:
    if node.op != "aten.native_dropout.default" or node.args[2] is not True or len(node.outputs) != 2:
        return None
    mask = node.outputs[1]
    casts = users.get(mask, []) if mask is not None else []
    if len(casts) != 1 or casts[0].op != "aten._to_copy.default" or casts[0].kwargs.keys() != {"dtype"} or mask in kept:
        return None
    value = casts[0].outputs[0]
    scales = users.get(value, []) if value is not None else []
    if len(scales) != 1 or scales[0].op != "aten.mul.Tensor" or value in kept or scales[0].outputs[0] in kept:
        return None
    return (casts[0], scales[0]) if isinstance(scales[0].args[1], float) else None


def _needed(calls: list[Call], outputs: Iterable[int]) -> list[Call]:
    wanted = Counter(outputs)
    left = []
    for call in reversed(calls):
        if any(out in wanted for out in call.node.outputs if out is not None):
            wanted.update(ref.index for ref in references(call.node))
            left.append(call)
    return left[::-1]


def _undo(inner: tuple[Argument, ...], outer: tuple[Argument, ...]) -> bool:
    first, second = ([a % len(inner) for a in dims if isinstance(a, int)] for dims in (inner, outer))
    return len(first) == len(second) == len(inner) and [first[d] for d in second] == list(range(len(inner)))


def _covers(known: tuple[int | None, ...], outputs: tuple[int | None, ...]) -> bool:
    pairs = zip(known, outputs, strict=True)
    return len(known) == len(outputs) and all(have is not None or want is None for have, want in pairs)


def _substitute(argument: Argument, same: Mapping[int, int]) -> Argument:
    if isinstance(argument, Ref):
        return Ref(same.get(argument.index, argument.index))
    return tuple(_substitute(a, same) for a in argument) if isinstance(argument, tuple) else argument
