"""Constants, casts of weights and other views of a value go away: they take no time of their own on the fabric."""

from __future__ import annotations

from dataclasses import replace

from wafer_sim.compiler.passes.canonicalise import needed
from wafer_sim.graph.kernel_graph import PARAMETER, Call, KernelGraph, Ref
from wafer_sim.graph.validity import BARE
from wafer_sim.kernels.registry import REGISTRY

_ALIASES = ("reshape", "transpose", "expand", "identity")
_DRAWING = ("random", "update")


def bare(graph: KernelGraph) -> KernelGraph:
    """The graph of what computes. What only constants go into is computed when the model is compiled."""
    same: dict[str, str] = {}
    constants: set[str] = set()
    kept: list[Call] = []
    for call in graph.calls:
        given = [same.get(a.name, a.name) for a in call.arguments if isinstance(a, Ref)]
        given = [name for name in given if name not in constants]
        kernel = REGISTRY[call.kernel]
        if kernel.family not in _DRAWING and (not given or kernel.family == "constant"):
            constants.update(call.made)
        elif _is_alias(call, given, graph):
            same |= dict.fromkeys(call.made, given[0])
        else:
            kept.append(replace(call, arguments=tuple(map(Ref, given))))
    outputs = {name: same.get(value, value) for name, value in graph.outputs.items()}
    outputs = {name: value for name, value in outputs.items() if value not in constants}
    return graph.with_calls(needed(kept, outputs), BARE, outputs=outputs)


def _is_alias(call: Call, given: list[str], graph: KernelGraph) -> bool:
    if call.kernel in _ALIASES:
        return len(call.outputs) == 1
    first, made = graph.values.get(given[0]), [graph.values[name] for name in call.made]
    if call.kernel == "cast":
        return given[0].startswith(PARAMETER) or first is None or [first.dtype] == [m.dtype for m in made]
    whole = REGISTRY[call.kernel].family == "view" and len(set(given)) == 1
    return whole and first is not None and [first.elements] == [m.elements for m in made]
