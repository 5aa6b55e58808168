"""From torch's graph to a Graph: pure data, with what does nothing left out."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from typing import Any, cast

import torch
from torch.export.graph_signature import InputKind
from torch.fx import Node as FxNode

from clients.pytorch.export import Exported
from wafer_sim.compiler.program import Argument, Constant, Graph, Node, Ref
from wafer_sim.kernels.aten import KERNELS
from wire.errors import InvalidInput, Refused

_ATEN = torch.ops.aten
_SAME_VALUE = (_ATEN.alias.default, _ATEN.detach.default, _ATEN.lift_fresh_copy.default)
_CHECKS = (_ATEN._assert_tensor_metadata.default,)  # of what static shapes and dtypes have settled already
_UNWRITTEN = (_ATEN.empty.memory_format, _ATEN.empty_permuted.default)
_OF_ITS_SHAPE = (
    *(_ATEN.full_like.default, _ATEN.zeros_like.default, _ATEN.ones_like.default, _ATEN.fill.Scalar),
    *(_ATEN.bernoulli.p, _ATEN.rand_like.default, _ATEN.randn_like.default),
)  # these take the shape and the dtype of their first argument, and never read it


def lower(exported: Exported, values: Mapping[str, int], inputs: int) -> Graph:
    """Number the values of an exported graph.

    values: qualified name of a parameter or buffer -> its number. inputs: the number of the batch's first tensor.
    Raises InvalidInput for what a static graph cannot hold and Refused for an operation outside of ATen.
    """
    return _Lowering(exported, values, inputs).graph()


class _Lowering:
    def __init__(self, exported: Exported, values: Mapping[str, int], inputs: int) -> None:
        self._exported = exported
        self._numbers: dict[FxNode, int] = {}
        self._same: dict[FxNode, FxNode] = {}
        self._nodes: list[Node] = []
        self._live: set[FxNode] = set()
        batch = sum(spec.kind is InputKind.USER_INPUT for spec in exported.program.graph_signature.input_specs)
        self._next = inputs + batch
        self._values = values
        self._inputs = inputs

    def graph(self) -> Graph:
        program = self._exported.program
        nodes = list(program.graph.nodes)
        self._refuse_effects(nodes)
        ends = [node for node in nodes[-1].args[0] if isinstance(node, FxNode)]
        self._mark_live(nodes, ends)
        self._number_placeholders([node for node in nodes if node.op == "placeholder"])
        for node in nodes:
            if node.op == "call_function" and node in self._live:
                self._call(node)
        named = zip(self._exported.outputs, nodes[-1].args[0], strict=True)
        return Graph(tuple(self._nodes), {name: self._ref(node) for name, node in named if name and node is not None})

    def _mark_live(self, nodes: list[FxNode], ends: list[FxNode]) -> None:
        self._live.update(ends)
        for node in reversed(nodes):
            if node in self._live or (node.op == "call_function" and node.is_impure() and node.target not in _CHECKS):
                self._live.add(node)
                self._live.update(node.all_input_nodes)

    def _refuse_effects(self, nodes: list[FxNode]) -> None:
        """Calls with effects are threaded on tokens, so they are no nodes of a Graph; none of them has a kernel."""
        if all(spec.kind is not InputKind.TOKEN for spec in self._exported.program.graph_signature.input_specs):
            return
        calls = [(n.args[1] if n.target is torch.ops.higher_order.with_effects else n.target, n) for n in nodes]
        without = {str(op): self._exported.sources.get(n, "") for op, n in calls if _is_unknown(op)}
        places = ", ".join(dict.fromkeys(source for source in without.values() if source))
        what = f"the wafer has no kernel for {', '.join(without)}"
        raise Refused(what, where=places, fix="rewrite these lines with supported operations")

    def _number_placeholders(self, placeholders: list[FxNode]) -> None:
        taken = self._inputs
        for node, spec in zip(placeholders, self._exported.program.graph_signature.input_specs, strict=True):
            if spec.kind is InputKind.USER_INPUT:
                self._numbers[node], taken = taken, taken + 1
            elif spec.kind in (InputKind.PARAMETER, InputKind.BUFFER):
                self._numbers[node] = self._values[str(spec.target)]
            elif node in self._live:
                self._numbers[node] = self._constant(str(spec.target))

    def _constant(self, target: str) -> int:
        value = self._exported.program.constants[target]
        if not isinstance(value, torch.Tensor) or value.dim():
            name = target.rpartition(".")[2]
            what = f"the model holds a tensor that is neither a parameter nor a buffer ({name})"
            raise InvalidInput(what, where="forward()", fix="register it with self.register_buffer(name, tensor)")
        dtype = Constant("dtype", _name(value.dtype))
        self._nodes.append(Node("aten.full.default", ((), value.item()), {"dtype": dtype}, (self._fresh(),)))
        return self._next - 1

    def _fresh(self) -> int:
        self._next += 1
        return self._next - 1

    def _call(self, node: FxNode) -> None:
        if node.target is operator.getitem:
            return
        if not isinstance(node.target, torch._ops.OpOverload):
            where = self._exported.sources.get(node, "")
            what = f"the shape or the value of a tensor is used as a number ({node.name})"
            raise InvalidInput(what, where=where, fix="keep .item() and data-dependent shapes out of the model")
        if node.target in _SAME_VALUE or (node.target is _ATEN.clone.default and not node.kwargs):
            self._same[node] = node.all_input_nodes[0]
            return
        if node.target in _UNWRITTEN and all(_takes_its_shape(user, node) for user in node.users):
            self._shape_alone(node)
            return
        self._emit(node, node.target)

    def _shape_alone(self, node: FxNode) -> None:
        """Memory that nothing has written is refused; where nothing reads it either, one zero stands for all of it."""
        source = self._exported.sources.get(node, "")
        dtype, zero = Constant("dtype", _name(node.meta["val"].dtype)), self._fresh()
        self._nodes.append(Node("aten.full.default", ((), 0), {"dtype": dtype}, (zero,), source))
        self._numbers[node] = self._fresh()
        size = self._argument(node.args[0], source)
        self._nodes.append(Node("aten.expand.default", (Ref(zero), size), {}, (self._numbers[node],), source))

    def _emit(self, node: FxNode, target: torch._ops.OpOverload) -> None:
        source = self._exported.sources.get(node, "")
        op = str(target)
        if target._schema.is_mutable or not op.startswith("aten."):
            raise Refused(f"the wafer has no kernel for {op}", where=source, fix="use operations of torch itself")
        args = tuple(self._argument(a, source) for a in node.args)
        kwargs = {k: self._argument(v, source) for k, v in node.kwargs.items()}
        self._nodes.append(Node(op, args, kwargs, self._outputs(node, target), source))

    def _outputs(self, node: FxNode, target: torch._ops.OpOverload) -> tuple[int | None, ...]:
        if not any(user.target is operator.getitem for user in node.users):
            self._numbers[node] = self._fresh()
            return (self._numbers[node],)
        picked = {cast("int", user.args[1]): user for user in node.users if user in self._live}
        count = max(len(target._schema.returns), max(picked, default=-1) + 1)
        numbers: list[int | None] = [None for _ in range(count)]
        for position, user in picked.items():
            numbers[position] = self._numbers[user] = self._fresh()
        return tuple(numbers)

    def _ref(self, node: FxNode) -> Ref:
        while node in self._same:
            node = self._same[node]
        return Ref(self._numbers[node])

    def _argument(self, value: Any, source: str) -> Argument:  # noqa: PLR0911 - one return for each kind
        match value:
            case FxNode():
                return self._ref(value)
            case None | bool() | int() | float() | str():
                return value
            case list() | tuple():
                return tuple(self._argument(v, source) for v in value)
            case torch.dtype():
                return Constant("dtype", _name(value))
            case torch.device():
                return Constant("device", value.type)
            case torch.layout():
                return Constant("layout", _name(value))
            case torch.memory_format():
                return Constant("memory_format", _name(value))
        what = f"an argument of type {type(value).__name__} cannot be written down in a program"
        raise InvalidInput(what, where=source, fix="keep complex numbers and data-dependent shapes out of the model")


def _takes_its_shape(user: FxNode, node: FxNode) -> bool:
    others = {*user.args[1:], *user.kwargs.values()}
    return user.target in _OF_ITS_SHAPE and node not in others


def _is_unknown(target: Any) -> bool:
    return isinstance(target, torch._ops.OpOverload) and str(target) not in KERNELS


def _name(constant: Any) -> str:
    return str(constant).removeprefix("torch.")
