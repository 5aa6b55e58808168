"""What computes nothing goes away: other names of a value, copies, checks, calls made before, and what nobody needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from wafer_sim.graph.kernel_graph import Call, KernelGraph, references, renamed
from wafer_sim.graph.validity import CANONICALISED
from wafer_sim.kernels.registry import BY_OPERATION

_SAME = ("identity", "copy", "variable")
_ONCE = ("random", "update")


def canonicalise(graph: KernelGraph) -> KernelGraph:
    """The graph without identities, copies, checks, repeated calls and dead ones."""
    names: dict[str, str] = {}
    seen: dict[str, Call] = {}
    kept: list[Call] = []
    for given in graph.calls:
        call = with_names(given, names)
        kernel = BY_OPERATION[call.kernel]
        if kernel.family == "assertion":
            continue
        if kernel.name in _SAME and call.kernel != "aten.copy.default":
            names |= _same(call)
            continue
        if kernel.family not in _ONCE and call.outputs:
            before = seen.setdefault(_key(call), call)
            if before is not call and len(before.outputs) == len(call.outputs) and _covers(before, call):
                names |= {name: str(old) for name, old in zip(call.outputs, before.outputs, strict=True) if name}
                continue
        kept.append(call)
    outputs = {name: names.get(value, value) for name, value in graph.outputs.items()}
    return graph.with_calls(needed(kept, outputs), CANONICALISED, outputs=outputs)


def with_names(call: Call, names: Mapping[str, str]) -> Call:
    """The call, reading other names."""
    arguments = tuple(renamed(a, names) for a in call.arguments)
    return replace(call, arguments=arguments, options={key: renamed(v, names) for key, v in call.options.items()})


def needed(calls: list[Call], outputs: Mapping[str, str]) -> list[Call]:
    """The calls that an output or an update needs, in their order; results that nobody reads are None."""
    wanted = set(outputs.values())
    left = []
    for call in reversed(calls):
        if not call.outputs or wanted.intersection(call.made):
            wanted.update(call.inputs)
            left.append(call)
    return [_only(call, wanted) for call in reversed(left)]


def _only(call: Call, wanted: set[str]) -> Call:
    return replace(call, outputs=tuple(name if name in wanted else None for name in call.outputs))


def _same(call: Call) -> dict[str, str]:
    """The results of a call that only names its arguments again."""
    given = [name for argument in call.arguments for name in references(argument)]
    return {name: old for name, old in zip(call.outputs, given, strict=False) if name is not None}


def _covers(before: Call, call: Call) -> bool:
    pairs = zip(before.outputs, call.outputs, strict=True)
    return all(old is not None or new is None for old, new in pairs)


def _key(call: Call) -> str:
    return repr((call.kernel, call.arguments, sorted(call.options.items())))
