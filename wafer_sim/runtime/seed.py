"""Where the backward pass of a graph begins: the gradient of the loss by itself."""

from __future__ import annotations

from wafer_sim.compiler.program import Graph, Node

_FILLED = {"aten.full_like.default": (1,), "aten.ones_like.default": ()}


def unseeded(graph: Graph) -> tuple[Graph, tuple[int, ...]]:
    """A graph without the node that makes the loss's own gradient, a one, and the number of that value.

    Whoever runs the graph gives that value, so that the loss can be scaled by another number in every step. There is
    no number where the graph has no backward pass.
    """
    seeds = [node for node in graph.nodes if _is_seed(graph, node)]
    numbers = tuple(out for node in seeds for out in node.outputs if out is not None)
    return Graph(tuple(node for node in graph.nodes if node not in seeds), graph.outputs), numbers


def _is_seed(graph: Graph, node: Node) -> bool:
    loss, filled = graph.outputs.get("loss"), _FILLED.get(node.op)
    return loss is not None and filled is not None and node.args[:1] == (loss,) and node.args[1:] == filled
