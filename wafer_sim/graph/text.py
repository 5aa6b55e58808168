"""A kernel graph as text that a person reads. `text_reader.from_text(to_text(graph)) == graph`."""

from __future__ import annotations

import json
from collections.abc import Mapping

from wafer_sim.graph.kernel_graph import BACKWARD, FORWARD, UPDATE, Argument, Call, Dtype, KernelGraph, Ref, Spec
from wafer_sim.graph.tokens import TOKEN

SIGNS = {FORWARD: ">", BACKWARD: "<", UPDATE: "="}
"""What a call's line begins with, by its phase."""


def to_text(graph: KernelGraph) -> str:
    """The graph: a head, parameters, inputs, a line for each call, outputs.

    A call's line begins with ">" forward, "<" backward or "=" update; behind ";" come source, layer and cost:
    multiply-accumulates, other operations, bytes read and written.
    """
    lines = [f"graph {graph.stage} of {graph.batch}"]
    trained = {True: "trained", False: "fixed"}
    lines += [f"{_made(n, graph.values)} {trained[graph.parameters[n]]}" for n in graph.parameters]
    lines += [_made(name, graph.values) for name in graph.inputs]
    lines += [_call(call, graph.values) for call in graph.calls]
    lines += [f"output {_name(name)} {_name(value)}" for name, value in graph.outputs.items()]
    return "\n".join(lines) + "\n"


def _call(call: Call, values: Mapping[str, Spec]) -> str:
    made = ", ".join("_" if name is None else _made(name, values) for name in call.outputs)
    given = [*map(_argument, call.arguments), *(f"{key}={_argument(v)}" for key, v in call.options.items())]
    line = f"{SIGNS[call.phase]} {made and made + ' '}<- {_name(call.kernel)}({', '.join(given)})"
    notes = [f"at {_quoted(call.source)}"] if call.source else []
    notes += [f"in {_quoted(call.layer)}"] if call.layer else []
    if call.cost is not None:
        cost = call.cost
        notes += [f"{cost.macs} macs {cost.other} other {cost.read} read {cost.written} written"]
    return "; ".join([line, *notes])


def _made(name: str, values: Mapping[str, Spec]) -> str:
    spec = values.get(name)
    return _name(name) if spec is None else f"{_name(name)}:{spec.dtype}[{','.join(map(str, spec.shape))}]"


def _name(name: str) -> str:
    sign, rest = (name[0], name[1:]) if name[:1] in ("$", "@", "%") else ("", name)
    found = TOKEN.fullmatch(name)
    plain = found is not None and found.lastgroup in ("name", "word") and name not in ("_", "at", "in")
    return name if plain and not name.startswith(" ") else sign + json.dumps(rest)


def _quoted(text: str) -> str:
    return json.dumps(text)


def _argument(argument: Argument) -> str:
    match argument:
        case Ref(name):
            return _name(name)
        case Dtype(name):
            return f"dtype.{name}"
        case tuple():
            return f"[{', '.join(map(_argument, argument))}]"
        case None | bool():
            return {None: "none", True: "true", False: "false"}[argument]
    return json.dumps(argument) if isinstance(argument, str) else repr(argument)
