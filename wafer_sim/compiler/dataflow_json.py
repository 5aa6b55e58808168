"""Dataflow programs to JSON and back. What comes in is bounded and checked; nothing of it is trusted."""

from __future__ import annotations

import base64
import math
import re
from typing import Any

from wafer_sim.compiler.constants import counts
from wafer_sim.compiler.dataflow import (
    FORMAT,
    KIND,
    Attr,
    Dataflow,
    DataGraph,
    DataNode,
    Dtype,
    Shape,
    Value,
    Variable,
    node_of,
)
from wafer_sim.compiler.program import Entry, ProgramError, Tensor, float_text
from wire.elements import MAX_SIZE

MAX_NODES = 100_000
MAX_INPUTS = 10_000
MAX_NAME = 1_000
MAX_RANK = 32
MAX_CONSTANTS = 2**26
_MAX_ATTRS = 32
_MAX_LIST = 10_000
_MAX_DEPTH = 2

_NAME = re.compile(r"[A-Za-z0-9.][A-Za-z0-9_.\\/>-]*")
_REFERENCE = re.compile(rf"\^{_NAME.pattern}|{_NAME.pattern}(:\d{{1,4}})?")
_WIDTHS = {"bool": 1, "bfloat16": 2, "float16": 2, "float32": 4, "float64": 8}
_WIDTHS |= {f"{sign}int{bits}": bits // 8 for sign in ("", "u") for bits in (8, 16, 32, 64)}


def program_out(program: Dataflow, constants: bool = True) -> dict[str, Any]:
    """The program as JSON-able data. constants: False leaves out what does not count for its digest."""
    return {
        "kind": KIND,
        "format": FORMAT,
        "parameters": [_variable_out(p, constants) for p in program.parameters],
        "inputs": [_tensor_out(t) for t in program.inputs],
        "graphs": {str(entry): _graph_out(graph, constants) for entry, graph in program.graphs.items()},
    }


def program_in(data: dict[str, Any]) -> Dataflow:
    """Raises ProgramError, or what Python raises for data of another form."""
    if data["kind"] != KIND or data["format"] != FORMAT:
        found = f"{data['kind']!r} of format {data['format']!r}"
        raise ProgramError(f"this program is a {found}; this version reads {KIND!r} of format {FORMAT}")
    parameters = tuple(_variable_in(p) for p in _listed(data["parameters"], MAX_NODES))
    inputs = tuple(_tensor_in(t) for t in _listed(data["inputs"], MAX_INPUTS))
    graphs = {Entry.parse(k): _graph_in(k, g) for k, g in data["graphs"].items()}
    program = Dataflow(parameters, inputs, graphs)
    if (held := constant_bytes(program)) > MAX_CONSTANTS:
        raise ProgramError(f"the program holds {held} bytes of constants; at most {MAX_CONSTANTS} are taken")
    return program


def constant_bytes(program: Dataflow) -> int:
    """How many bytes of constants a program holds."""
    nodes = (node for graph in program.graphs.values() for node in graph.nodes)
    return sum(len(a.data) for node in nodes for a in node.attrs.values() if isinstance(a, Value))


def _variable_out(variable: Variable, constants: bool) -> list[Any]:
    fill = float_text(variable.fill) if constants and variable.fill is not None else None
    return [*_tensor_out(variable.tensor), variable.trained, variable.role, fill]


def _variable_in(data: list[Any]) -> Variable:
    *tensor, trained, role, fill = data
    if not isinstance(trained, bool):
        raise ProgramError(f"{trained!r} is neither true nor false")
    return Variable(_tensor_in(tensor), trained, _text(role), None if fill is None else float.fromhex(fill))


def _tensor_out(tensor: Tensor) -> list[Any]:
    return [tensor.name, list(tensor.shape), tensor.dtype]


def _tensor_in(data: list[Any]) -> Tensor:
    name, shape, dtype = data
    return Tensor(_text(name), _lengths(shape), _text(dtype))


def _graph_out(graph: DataGraph, constants: bool) -> dict[str, Any]:
    loose = frozenset() if constants else counts(graph)
    nodes = [
        [
            node.name,
            node.op,
            list(node.inputs),
            {k: _attr_out(v, constants, loose=node.name in loose) for k, v in node.attrs.items()},
            node.source if constants else "",
        ]
        for node in graph.nodes
    ]
    return {"nodes": nodes, "feeds": dict(graph.feeds), "fetches": dict(graph.fetches)}


def _graph_in(name: str, data: dict[str, Any]) -> DataGraph:
    known: set[str] = set()
    nodes = []
    for row in _listed(data["nodes"], MAX_NODES):
        node = _node_in(row)
        _require_known(name, node, known)
        known.add(node.name)
        nodes.append(node)
    feeds, fetches = (_named(data[part]) for part in ("feeds", "fetches"))
    for what, reference in (*feeds.items(), *fetches.items()):
        if not _REFERENCE.fullmatch(reference) or node_of(reference) not in known:
            raise ProgramError(f"graph {name}: {what!r} is {reference!r}, which is not in it")
    return DataGraph(tuple(nodes), feeds, fetches)


def _node_in(row: list[Any]) -> DataNode:
    name, op, inputs, attrs, source = row
    if len(attrs) > _MAX_ATTRS:
        raise ProgramError(f"{_text(name)} has {len(attrs)} attributes; at most {_MAX_ATTRS} are taken")
    return DataNode(
        _text(name),
        _text(op),
        tuple(_text(i) for i in _listed(inputs, MAX_INPUTS)),
        {_text(k): _attr_in(v) for k, v in attrs.items()},
        _text(source),
    )


def _require_known(graph: str, node: DataNode, known: set[str]) -> None:
    if not _NAME.fullmatch(node.name) or node.name in known:
        raise ProgramError(f"graph {graph}: {node.name!r} is no name for a node, or names two")
    ordered = sorted(node.inputs, key=lambda reference: reference.startswith("^"))
    if list(node.inputs) != ordered:
        raise ProgramError(f"graph {graph}: {node.name} reads values after what only has to come first")
    for reference in node.inputs:
        if not _REFERENCE.fullmatch(reference) or node_of(reference) not in known:
            raise ProgramError(f"graph {graph}: {node.name} reads {reference!r} before it is computed")


def _attr_out(attr: Attr, constants: bool, *, loose: bool = False) -> Any:
    """loose: what is no floating-point number does not count for the digest either."""
    match attr:
        case Dtype(name):
            return {"dtype": name}
        case Shape(dims):
            return {"shape": None if dims is None else list(dims)}
        case Value(dtype, shape, data):
            left_out = not constants and not shape and (loose or "float" in dtype)
            text = "" if left_out else base64.b64encode(data).decode()
            return {"tensor": [dtype, list(shape), text]}
        case tuple():
            return [_attr_out(a, constants) for a in attr]
        case float():
            return {"float": float_text(attr) if constants else ""}
        case _:
            return attr


def _attr_in(data: Any, depth: int = 0) -> Attr:
    if isinstance(data, list):
        if depth >= _MAX_DEPTH:
            raise ProgramError("an attribute is nested too deeply")
        return tuple(_attr_in(a, depth + 1) for a in _listed(data, _MAX_LIST))
    if not isinstance(data, dict):
        return _plain(data)
    ((kind, value),) = data.items()
    match kind:
        case "dtype":
            return Dtype(_text(value))
        case "shape":
            return Shape(None if value is None else tuple(_length(d) for d in _listed(value, MAX_RANK)))
        case "tensor":
            return _value_in(*value)
        case "float":
            return float.fromhex(value)
    raise ProgramError(f"{kind!r} is no kind of attribute")


def _plain(data: Any) -> bool | int | str:
    if isinstance(data, str):
        return _text(data)
    if not isinstance(data, int) or not -(2**63) <= data < 2**63:
        raise ProgramError(f"{data!r:.60} is no attribute of an operation")
    return data


def _value_in(dtype: Any, shape: Any, text: Any) -> Value:
    value = Value(_text(dtype), _lengths(shape), base64.b64decode(text, validate=True))
    width = _WIDTHS.get(value.dtype)
    if width is None or math.prod(value.shape) * width != len(value.data):
        raise ProgramError(f"a constant {value.dtype} of shape {value.shape} does not have {len(value.data)} bytes")
    return value


def _length(data: Any) -> int | None:
    return None if data is None else _lengths([data])[0]


def _lengths(data: Any) -> tuple[int, ...]:
    lengths = tuple(_listed(data, MAX_RANK))
    if any(isinstance(d, bool) or not isinstance(d, int) or d < 0 for d in lengths) or math.prod(lengths) > MAX_SIZE:
        raise ProgramError(f"{lengths!r:.80} is no shape")
    return lengths


def _listed(data: Any, most: int) -> list[Any]:
    if not isinstance(data, list) or len(data) > most:
        raise ProgramError(f"a list of at most {most} was expected here")
    return data


def _named(data: Any) -> dict[str, str]:
    if not isinstance(data, dict) or len(data) > MAX_INPUTS:
        raise ProgramError(f"a mapping of at most {MAX_INPUTS} was expected here")
    return {_text(k): _text(v) for k, v in data.items()}


def _text(data: Any) -> str:
    if not isinstance(data, str) or len(data) > MAX_NAME:
        raise ProgramError(f"{data!r:.60} is no text of at most {MAX_NAME} characters")
    return data
