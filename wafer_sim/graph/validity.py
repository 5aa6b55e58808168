"""What a valid kernel graph is, to be run: checked between any two passes."""

from __future__ import annotations

from collections.abc import Iterator

from wafer_sim.graph.kernel_graph import BYTES, INPUT, MADE, PARAMETER, PHASES, Call, KernelGraph
from wafer_sim.kernels.registry import BY_OPERATION, REGISTRY

READ = "read"
CANONICALISED = "canonicalise"
SHAPED = "shapes"
MATCHED = "match"
UPDATED = "update"
BARE = "bare"
FUSED = "fuse"
CUT = "cut"
STAGES = (READ, CANONICALISED, SHAPED, MATCHED, UPDATED, BARE, FUSED, CUT)

_AWAY = ("constant", "assertion", "state")


class InvalidGraphError(ValueError):
    """A kernel graph that no pass may give: a fault of the compiler, not of the user's model."""


def require_valid(graph: KernelGraph) -> None:
    """Raise InvalidGraphError, with the first reason, for a graph that is not what its stage says."""
    for reason in faults(graph):
        raise InvalidGraphError(f"after {graph.stage!r}: {reason}")


def faults(graph: KernelGraph) -> Iterator[str]:
    """Every reason why a graph is not valid.

    Always: names carry the sign of what they are; a value is made once, before it is read; phases are in order.
    From `shapes` on each value has lengths and a dtype. From `match` on each call is of a kernel and has a cost. From
    `bare` on nothing is left that computes nothing. From `fuse` on a call reads values only, and each layer has one
    call of a phase at most.
    """
    if graph.stage not in STAGES:
        yield f"there is no stage {graph.stage!r}"
        return
    reached = STAGES.index(graph.stage)
    yield from _names(graph)
    yield from _order(graph)
    yield from _values(graph, complete=reached >= STAGES.index(SHAPED))
    for call in graph.calls:
        yield from _call(call, reached)
    if reached >= STAGES.index(FUSED):
        yield from _layers(graph)


def _names(graph: KernelGraph) -> Iterator[str]:
    signs = ((graph.parameters, PARAMETER), (graph.inputs, INPUT), ([n for c in graph.calls for n in c.made], MADE))
    for names, sign in signs:
        yield from (f"{name!r} does not begin with {sign!r}" for name in names if not name.startswith(sign))
    if graph.batch < 1:
        yield f"a batch has {graph.batch} samples"


def _order(graph: KernelGraph) -> Iterator[str]:
    known = {*graph.parameters, *graph.inputs}
    phase = 0
    for call in graph.calls:
        yield from (f"{call.kernel} reads {name!r} before it is made" for name in call.inputs if name not in known)
        for name in call.made:
            if name in known:
                yield f"{name!r} is made twice"
            known.add(name)
        if call.phase not in PHASES:
            yield f"{call.kernel} is in no phase {call.phase!r}"
        elif PHASES.index(call.phase) < phase:
            yield f"{call.kernel} is {call.phase} behind what comes later"
        else:
            phase = PHASES.index(call.phase)
    yield from (
        f"output {name!r} is {value!r}, which nothing makes"
        for name, value in graph.outputs.items()
        if value not in known
    )


def _values(graph: KernelGraph, complete: bool) -> Iterator[str]:
    known = {*graph.parameters, *graph.inputs, *(name for call in graph.calls for name in call.made)}
    needed = known if complete else {*graph.parameters, *graph.inputs}
    yield from (f"nothing is known of {name!r}" for name in sorted(needed - graph.values.keys()))
    for name, spec in graph.values.items():
        if name not in known:
            yield f"{name!r} is known, but nothing makes it"
        if spec.dtype not in BYTES or any(length < 0 for length in spec.shape):
            yield f"{name!r} is {spec}"


def _call(call: Call, reached: int) -> Iterator[str]:
    if reached < STAGES.index(MATCHED):
        if call.kernel not in BY_OPERATION:
            yield f"{call.kernel} is no operation of the library"
        return
    if call.kernel not in REGISTRY and reached < STAGES.index(FUSED):
        yield f"{call.kernel} is no kernel"
    if call.cost is None or min(call.cost.macs, call.cost.other, call.cost.read, call.cost.written) < 0:
        yield f"{call.kernel} has the cost {call.cost}"
    if reached >= STAGES.index(BARE) and call.kernel in REGISTRY and REGISTRY[call.kernel].family in _AWAY:
        yield f"{call.kernel} computes nothing and is still there"


def _layers(graph: KernelGraph) -> Iterator[str]:
    seen = set()
    for call in graph.calls:
        if not call.layer:
            yield f"{call.kernel} is in no layer"
        if (call.layer, call.phase) in seen:
            yield f"layer {call.layer!r} has two calls in phase {call.phase}"
        seen.add((call.layer, call.phase))
