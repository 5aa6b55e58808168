"""Calls become kernels of the fabric: for each one call forward, one backward, one that updates its weights."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from wafer_sim.compiler.passes.clusters import Cluster, clusters
from wafer_sim.compiler.passes.homes import homes
from wafer_sim.graph.kernel_graph import BACKWARD, FORWARD, PARAMETER, UPDATE, Call, Cost, KernelGraph, Ref, Spec
from wafer_sim.graph.validity import FUSED

SHARED = "optimizer"
"""The layer of what the update does for all weights together."""


def fuse(graph: KernelGraph) -> KernelGraph:
    """The graph in kernels of the fabric, named by their number."""
    found = clusters(graph)
    home = homes(graph, found)
    parts = [(c.number, c.kind, FORWARD, c.calls) for c in found]
    backward: dict[int, list[Call]] = {}
    for call in graph.calls:
        if call.phase == BACKWARD:
            backward.setdefault(home[id(call)], []).append(call)
    parts += [(n, found[n].kind, BACKWARD, backward[n]) for n in sorted(backward, reverse=True)]
    parts += _updates(graph, found, home)
    read = _read_by(parts, graph.outputs.values())
    calls = [_fused(graph.values, part, read) for part in parts]
    return graph.with_calls(calls, FUSED)


Part = tuple[int, str, str, list[Call]]
"""Number, kind, phase and calls of what becomes one call; the number -1 is of what all weights share."""


def _updates(graph: KernelGraph, found: Sequence[Cluster], home: Mapping[int, int]) -> list[Part]:
    owners = _owners(found)
    owned = _owned_updates(graph, owners, home)
    kinds = {-1: SHARED, **{c.number: c.kind for c in found}}
    groups: dict[int, list[Call]] = {}
    for call, owner in owned:
        groups.setdefault(owner, []).append(call)
    return [(number, kinds[number], UPDATE, groups[number]) for number in sorted(groups)]


def _owners(found: Sequence[Cluster]) -> dict[str, int]:
    """Weight -> the first kernel that uses it, which holds it."""
    owners: dict[str, int] = {}
    for cluster in found:
        for call in cluster.calls:
            for name in call.inputs:
                if name.startswith(PARAMETER):
                    owners.setdefault(name, cluster.number)
    return owners


def _owned_updates(graph: KernelGraph, owners: Mapping[str, int], home: Mapping[int, int]) -> list[tuple[Call, int]]:
    """Each call of the update with the kernel whose weights it is for; -1 for what mixes several, and what feeds it."""
    gradients = {value: PARAMETER + name.removeprefix("grad/") for name, value in graph.outputs.items()}
    of = {**{value: owners[name] for value, name in gradients.items() if name in owners}, **owners}
    calls = [call for call in graph.calls if call.phase == UPDATE]
    owner: dict[int, int] = {}
    for call in calls:
        several = {of[name] for name in call.inputs if name in of}
        weight = next((owners[n] for n in call.inputs if n in owners), None)
        owner[id(call)] = weight if weight is not None else several.pop() if len(several) == 1 else -1
        of.update({name: owner[id(call)] for name in call.made if owner[id(call)] >= 0})
    shared: set[str] = set()
    for call in reversed(calls):
        if owner[id(call)] < 0 or shared.intersection(call.made):
            owner[id(call)] = -1
            shared.update(call.inputs)
    return [(call, owner[id(call)]) for call in calls]


def _read_by(parts: Sequence[Part], outputs: Iterable[str]) -> dict[str, set[int]]:
    """Value -> the parts that read it, by their place; -1 stands for the graph's outputs."""
    read = {name: {-1} for name in outputs}
    for place, (_, _, _, calls) in enumerate(parts):
        for call in calls:
            for name in call.inputs:
                read.setdefault(name, set()).add(place)
    made = {name: place for place, (*_, calls) in enumerate(parts) for call in calls for name in call.made}
    return {name: places - {made.get(name, -2)} for name, places in read.items()}


def _fused(values: Mapping[str, Spec], part: Part, read: Mapping[str, set[int]]) -> Call:
    number, kind, phase, calls = part
    made = {name for call in calls for name in call.made}
    inputs = tuple(dict.fromkeys(name for call in calls for name in call.inputs if name not in made))
    outputs = tuple(name for call in calls for name in call.made if read.get(name))
    costs = [call.cost for call in calls if call.cost is not None]
    cost = Cost(
        sum(c.macs for c in costs),
        sum(c.other for c in costs),
        sum(values[name].bytes for name in inputs),
        sum(values[name].bytes for name in outputs),
    )
    source = next((call.source for call in calls if call.kernel == kind and call.source), "")
    source = source or next((call.source for call in calls if call.source), "")
    layer = kind if number < 0 else f"{kind}.{number}"
    return Call(kind, tuple(map(Ref, inputs)), outputs, {}, phase, source, cost, layer)
