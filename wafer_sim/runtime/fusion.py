"""What decompositions take apart and torch has one kernel for is put together again, before a graph is interpreted.

Each rule is a pattern of core ATen calls as torch's decompositions write them, and the call that does the same. A graph
that is written otherwise runs as it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from wafer_sim.compiler.program import Argument, Node, Ref
from wafer_sim.runtime.pattern import Found, Hole, Made, match

GELU_BACKWARD = "wafer.gelu_backward"
SOFTMAX_BACKWARD = "wafer.softmax_backward"
LOG_SOFTMAX_BACKWARD = "wafer.log_softmax_backward"
CROSS_ENTROPY_BACKWARD = "wafer.cross_entropy_backward"
NORM_BACKWARD = "wafer.norm_backward"

_MUL, _ADD, _SUB, _DIV = (f"aten.{name}.Tensor" for name in ("mul", "add", "sub", "div"))
_SUM = "aten.sum.dim_IntList"
_NORM_ARGUMENTS = 5
_X, _G, _Y, _DIM = Hole("x"), Hole("g"), Hole("y"), Hole("dim")

_BELL = Made(_MUL, Made("exp", Made(_MUL, Made(_MUL, _X, _X), -0.5)), 0.3989422804014327)
_SHARE = Made(_MUL, Made(_ADD, Made("erf", Made(_MUL, _X, 0.7071067811865476)), 1), 0.5)
_GELU = Made(_MUL, _G, Made(_ADD, _SHARE, Made(_MUL, _X, _BELL)))

_PRODUCT = Made(_MUL, _G, _Y)
_SOFTMAX = Made(_SUB, _PRODUCT, Made(_MUL, _Y, Made(_SUM, _PRODUCT, (_DIM,), True)))
_LOG_SOFTMAX = Made(_SUB, _G, Made(_MUL, Made("exp", _Y), Made(_SUM, _G, (_DIM,), True)))
_PICKED = Made("aten.scatter.value", Made("full_like", _Y, 0), 1, Hole("labels"), -1.0)
_CROSS_ENTROPY = Made(_MUL, _PICKED, Hole("weights"))

_STANDARD = Made(_MUL, Made(_SUB, _X, Hole("mean")), Hole("rstd"))
_WEIGHTED = Made(_MUL, _G, Hole("weight"))
_SUM_OFF = Made(_SUB, Made(_MUL, _WEIGHTED, Hole("count")), Made(_SUM, _WEIGHTED, (_DIM,), True))
_SLOPE = Made(_MUL, _STANDARD, Made(_SUM, Made(_MUL, _WEIGHTED, _STANDARD), (_DIM,), True))
_NORM = Made(_MUL, Made(_DIV, Hole("rstd"), Hole("count")), Made(_SUB, _SUM_OFF, _SLOPE))
_OF_WEIGHT = Made(_SUM, Made(_MUL, _G, _STANDARD), Hole("dims"))
_OF_BIAS = Made(_SUM, _G, Hole("dims"))


def fused(nodes: Sequence[Node]) -> list[Node | None]:
    """For each call the one that takes its place, itself, or None where another one gives its value too.

    What only the old calls used is left for others to drop.
    """
    makers = {out: node for node in nodes for out in node.outputs if out is not None}
    result: list[Node | None] = list(nodes)
    for position, node in enumerate(nodes):
        if len(node.outputs) == 1:
            result[position] = _slope(node, makers) or result[position]
    sums = [(place, node) for place, node in enumerate(nodes) if node.op == _SUM]
    for position, node in enumerate(nodes):
        found = match(_NORM, node, makers)
        if found is not None and (forward := _forward(found, makers)) is not None:
            later = [(place, each) for place, each in sums if place > position]
            _fuse_norm(_Norm(position, node, found, forward), later, makers, result)
    return result


def _slope(node: Node, makers: Mapping[int, Node]) -> Node | None:
    """The call in the place of one that ends the backward pass of an activation or a soft-max."""
    if found := match(_GELU, node, makers):
        return _instead(node, GELU_BACKWARD, found["g"], found["x"])
    if found := match(_SOFTMAX, node, makers):
        return _instead(node, SOFTMAX_BACKWARD, found["g"], found["y"], found["dim"])
    if found := match(_LOG_SOFTMAX, node, makers):
        inner = _made(_CROSS_ENTROPY, found["g"], makers)
        if inner is not None and inner["y"] == found["y"] and found["dim"] == 1:
            return _instead(node, CROSS_ENTROPY_BACKWARD, found["y"], inner["labels"], inner["weights"])
        return _instead(node, LOG_SOFTMAX_BACKWARD, found["g"], found["y"], found["dim"])
    return None


@dataclass(frozen=True, slots=True)
class _Norm:
    """A backward pass of a layer norm: where it ends, the call it ends with, what was found, and the forward call."""

    position: int
    node: Node
    found: Found
    forward: Node


def _fuse_norm(
    norm: _Norm, later: Sequence[tuple[int, Node]], makers: Mapping[int, Node], result: list[Node | None]
) -> None:
    """The gradients of input, weight and bias at once. later: the sums that come after the input's."""
    of_weight = [place for place, each in later if _same(match(_OF_WEIGHT, each, makers), norm.found)]
    of_bias = [place for place, each in later if _same(match(_OF_BIAS, each, makers), norm.found)]
    if not of_weight or not of_bias:
        return
    by_place, first, second = dict(later), of_weight[0], of_bias[0]
    outputs = (*norm.node.outputs, *by_place[first].outputs, *by_place[second].outputs)
    found, forward = norm.found, norm.forward
    args = (found["g"], *forward.args[:2], found["mean"], found["rstd"], *forward.args[2:4])
    result[norm.position] = Node(NORM_BACKWARD, args, {}, outputs, norm.node.source)
    result[first] = result[second] = None


def _forward(found: Found, makers: Mapping[int, Node]) -> Node | None:
    """The norm that the found statistics are of, where it is over the last dimension and has weight and bias."""
    call = makers.get(found["mean"].index) if isinstance(found["mean"], Ref) else None
    if call is None or call.op != "aten.native_layer_norm.default" or len(call.args) != _NORM_ARGUMENTS:
        return None
    statistics = tuple(Ref(out) for out in call.outputs[1:] if out is not None)
    same = (call.args[0], call.args[2], *statistics) == tuple(found[k] for k in ("x", "weight", "mean", "rstd"))
    return call if same and call.args[1] == (found["count"],) and isinstance(call.args[3], Ref) else None


def _same(sum_: Found | None, found: Found) -> bool:
    """Whether a sum is over all dimensions but the last one, of the same values as the found norm."""
    dim = found["dim"]
    if sum_ is None or not isinstance(dim, int) or sum_["dims"] != tuple(range(dim)):
        return False
    return all(found[name] == value for name, value in sum_.items() if name != "dims")


def _made(pattern: Made, argument: Argument, makers: Mapping[int, Node]) -> Found | None:
    maker = makers.get(argument.index) if isinstance(argument, Ref) else None
    return match(pattern, maker, makers) if maker is not None else None


def _instead(node: Node, op: str, *args: Argument) -> Node:
    return Node(op, args, {}, node.outputs, node.source)
