"""Kernels get the names of the user's layers: of the weights they hold, or of what lies around them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from wafer_sim.compiler.passes.clusters import LOSSES
from wafer_sim.compiler.passes.fuse import SHARED
from wafer_sim.graph.kernel_graph import FORWARD, PARAMETER, Call, KernelGraph
from wafer_sim.graph.validity import CUT


def cut(graph: KernelGraph) -> KernelGraph:
    """The graph with each call in a layer of the user's model: "layers.0.query.matmul", "layers.0.attention"."""
    forward = [call for call in graph.calls if call.phase == FORWARD]
    held = {call.layer: _held(call) for call in forward}
    around = _around(forward, held)
    names: dict[str, str] = {SHARED: SHARED}
    taken = {SHARED}
    for call in forward:
        place = held[call.layer] or (() if call.kernel in LOSSES else around[call.layer])
        name = first = ".".join((*place, call.kernel))
        number = 1
        while name in taken:
            number += 1
            name = f"{first}#{number}"
        taken.add(name)
        names[call.layer] = name
    return graph.with_calls([replace(call, layer=names[call.layer]) for call in graph.calls], CUT)


def _held(call: Call) -> tuple[str, ...]:
    """What the names of its weights have in common: their module."""
    weights = [tuple(n[1:].replace("/", ".").split(".")) for n in call.inputs if n.startswith(PARAMETER)]
    modules = [parts[:-1] or parts for parts in weights]
    return _common(modules) or (modules[0] if modules else ())


def _around(forward: Iterable[Call], held: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    """Kernel -> what the modules of its neighbours have in common."""
    makers: dict[str, str] = {}
    near: dict[str, list[tuple[str, ...]]] = {layer: [] for layer in held}
    for call in forward:
        for name in call.inputs:
            if name in makers:
                near[call.layer].append(held[makers[name]])
                near[makers[name]].append(held[call.layer])
        makers.update(dict.fromkeys(call.made, call.layer))
    return {layer: _common(place[:-1] for place in places if place) for layer, places in near.items()}


def _common(places: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    found: tuple[str, ...] | None = None
    for place in places:
        if found is None:
            found = place
        else:
            same = [a == b for a, b in zip(found, place, strict=False)]
            found = found[: same.index(False) if False in same else len(same)]
    return found or ()
