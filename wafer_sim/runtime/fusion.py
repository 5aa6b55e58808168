"""What decompositions take apart and torch has one kernel for is put together again, before a graph is interpreted.

Each rule is a pattern of core ATen calls as torch's decompositions write them, and the call that does the same. A graph
that is written otherwise runs as it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from wafer_sim.compiler.program import Argument, Node, Ref
from wafer_sim.runtime.pattern import Any_, Found, Made, match

GELU_BACKWARD = "wafer.gelu_backward"
SOFTMAX_BACKWARD = "wafer.softmax_backward"
LOG_SOFTMAX_BACKWARD = "wafer.log_softmax_backward"
CROSS_ENTROPY_BACKWARD = "wafer.cross_entropy_backward"
NORM_BACKWARD = "wafer.norm_backward"

_MUL, _ADD, _SUB, _DIV = (f"aten.{name}.Tensor" for name in ("mul", "add", "sub", "div"))
_SUM = "aten.sum.dim_IntList"
_NORM_ARGUMENTS = 5
_X, _G, _Y, _DIM = Any_("x"), Any_("g"), Any_("y"), Any_("dim")

_BELL = Made(_MUL, Made("exp", Made(_MUL, Made(_MUL, _X, _X), -0.5)), 0.3989422804014327)
_SHARE = Made(_MUL, Made(_ADD, Made("erf", Made(_MUL, _X, 0.7071067811865476)), 1), 0.5)
_GELU = Made(_MUL, _G, Made(_ADD, _SHARE, Made(_MUL, _X, _BELL)))

_PRODUCT = Made(_MUL, _G, _Y)
_SOFTMAX = Made(_SUB, _PRODUCT, Made(_MUL, _Y, Made(_SUM, _PRODUCT, (_DIM,), True)))
_LOG_SOFTMAX = Made(_SUB, _G, Made(_MUL, Made("exp", _Y), Made(_SUM, _G, (_DIM,), True)))
_PICKED = Made("aten.scatter.value", Made("full_like", _Y, 0), 1, Any_("labels"), -1.0)
_CROSS_ENTROPY = Made(_MUL, _PICKED, Any_("weights"))

_STANDARD = Made(_MUL, Made(_SUB, _X, Any_("mean")), Any_("rstd"))
_WEIGHTED = Made(_MUL, _G, Any_("weight"))
_SUM_OFF = Made(_SUB, Made(_MUL, _WEIGHTED, Any_("count")), Made(_SUM, _WEIGHTED, (_DIM,), True))
_SLOPE = Made(_MUL, _STANDARD, Made(_SUM, Made(_MUL, _WEIGHTED, _STANDARD), (_DIM,), True))
_NORM = Made(_MUL, Made(_DIV, Any_("rstd"), Any_("count")), Made(_SUB, _SUM_OFF, _SLOPE))
_OF_WEIGHT = Made(_SUM, Made(_MUL, _G, _STANDARD), Any_("dims"))
_OF_BIAS = Made(_SUM, _G, Any_("dims"))


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
        if (found := match(_NORM, node, makers)) is not None:
            _fuse_norm(position, node, found, makers, sums, result)
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


def _fuse_norm(
    position: int,
    node: Node,
    found: Found,
    makers: Mapping[int, Node],
    sums: Sequence[tuple[int, Node]],
    result: list[Node | None],
) -> None:
    """The gradients of a layer norm's input, weight and bias at once, where the norm itself is in the graph."""
    forward = makers.get(found["mean"].index) if isinstance(found["mean"], Ref) else None
    if forward is None or not _is_forward(forward, found):
        return
    of_weight = [place for place, each in sums if place > position and _same(match(_OF_WEIGHT, each, makers), found)]
    of_bias = [place for place, each in sums if place > position and _same(match(_OF_BIAS, each, makers), found)]
    if of_weight and of_bias:
        first, second = of_weight[0], of_bias[0]
        by_place = dict(sums)
        outputs = (*node.outputs, *by_place[first].outputs, *by_place[second].outputs)
        args = (found["g"], *forward.args[:2], found["mean"], found["rstd"], *forward.args[2:4])
        result[position] = Node(NORM_BACKWARD, args, {}, outputs, node.source)
        result[first] = result[second] = None


def _is_forward(forward: Node, found: Found) -> bool:
    """Whether a call is the norm that the found statistics are of, over the last dimension."""
    if forward.op != "aten.native_layer_norm.default" or len(forward.args) != _NORM_ARGUMENTS:
        return False
    statistics = tuple(Ref(out) for out in forward.outputs[1:] if out is not None)
    same = (forward.args[0], forward.args[2], *statistics) == tuple(found[k] for k in ("x", "weight", "mean", "rstd"))
    return same and forward.args[1] == (found["count"],) and isinstance(forward.args[3], Ref)


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
