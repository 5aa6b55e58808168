"""Constants: the numbers of a program that a changed compile patches in. The digest leaves them out.

They are what CSoft's cache key ignores: rates and schedules, optimizer constants, loss scales, dropout rates, the
constants of norms, clip values. In PyTorch's graphs they are floating-point arguments; in TensorFlow's, scalars.
"""

from __future__ import annotations

import json
import struct
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from wafer_sim.compiler.dataflow import Attr, Dataflow, DataGraph, DataNode, Dtype, Value, node_of
from wafer_sim.compiler.program import Argument, Program
from wafer_sim.compiler.training import OptimizerSpec

_COMPARES = frozenset(("Equal", "NotEqual", "Less", "LessEqual", "Greater", "GreaterEqual"))
_WHOLE = {"int8": "<b", "int16": "<h", "int32": "<i", "int64": "<q"}
_LAYOUTS = {"float16": "<e", "float32": "<f", "float64": "<d", **_WHOLE}
_LAYOUTS |= {f"u{name}": layout.upper() for name, layout in _WHOLE.items()}
_SAID = 6

Found = Iterator[tuple[str, float | None]]
"""Where a constant is, and what it is: None where it is no one number."""


def counts(graph: DataGraph) -> frozenset[str]:
    """The integer scalars of a graph that can shape nothing: all that read them cast them to floating point, or
    compare them. So are the lengths of a learning-rate schedule and of a loss scale."""
    readers: dict[str, list[DataNode]] = defaultdict(list)
    for node in graph.nodes:
        for read in node.inputs:
            if not read.startswith("^"):
                readers[node_of(read)].append(node)
    fetched = {node_of(reference) for reference in graph.fetches.values()}
    scalars = (n.name for n in graph.nodes if n.name not in fetched and _is_whole(n.attrs.get("value")))
    return frozenset(name for name in scalars if readers[name] and all(map(_shapes_nothing, readers[name])))


def changes(before: Program | Dataflow, after: Program | Dataflow) -> list[str]:
    """What differs between two programs of one digest: "dropout at model.py:41 0.1 -> 0.2", each once.

    Constants that the user wrote no line for are named where there is nothing else to name.
    """
    pairs = zip(_constants(before), _constants(after), strict=True)
    found = dict.fromkeys((label, _said(old, new)) for (label, old), (_, new) in pairs if repr(old) != repr(new))
    own = [each for each in found if " at " in each[0]]
    return _joined(own or list(found))


def optimizer_changes(before: OptimizerSpec, after: OptimizerSpec) -> list[str]:
    """What differs between two optimizers: "optimizer.learning_rate 0.1 -> 0.2"."""
    was, now = (dict(_leaves(json.loads(spec.to_json()))) for spec in (before, after))
    differing = [path for path in {**was, **now} if was.get(path) != now.get(path)]
    names: dict[str, list[tuple[str, ...]]] = defaultdict(list)
    for path in differing:
        names["optimizer." + (path[1] if path[0] == "hyper" else path[0])].append(path)
    return _joined((name, _leaf(paths, was, now)) for name, paths in names.items())


def _leaf(paths: list[tuple[str, ...]], was: Mapping[Any, Any], now: Mapping[Any, Any]) -> str:
    (first, *more) = paths
    return "" if more or first not in was or first not in now else _said(was[first], now[first])


def _leaves(data: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    if not isinstance(data, dict | list):
        yield path, data
        return
    for key, value in data.items() if isinstance(data, dict) else enumerate(data):
        yield from _leaves(value, (*path, str(key)))


def _joined(found: Iterable[tuple[str, str]]) -> list[str]:
    said = [" ".join(part for part in each if part) for each in found]
    return said if len(said) <= _SAID else [*said[:_SAID], f"and {len(said) - _SAID} more"]


def _said(old: Any, new: Any) -> str:
    return "" if old is None or new is None else f"{_number(old)} -> {_number(new)}"


def _number(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _constants(program: Program | Dataflow) -> Found:
    """In an order that is the same for every program of a digest."""
    entries = sorted(program.graphs, key=str)
    if isinstance(program, Program):
        for call in (call for entry in entries for call in program.graphs[entry].nodes):
            label = _at(call.op.removeprefix("aten.").partition(".")[0], call.source)
            given = (*call.args, *(argument for _, argument in sorted(call.kwargs.items())))
            yield from ((label, value) for argument in given for value in _floats(argument))
        return
    yield from ((variable.tensor.name, variable.fill) for variable in program.parameters)
    for graph in (program.graphs[entry] for entry in entries):
        loose = counts(graph)
        for node in graph.nodes:
            label = _at(node.name, node.source)
            for _, attr in sorted(node.attrs.items()):
                yield from ((label, value) for value in _numbers(attr, whole=node.name in loose))


def _at(name: str, source: str) -> str:
    return f"{name} at {source}" if source else name


def _floats(argument: Argument) -> Iterator[float]:
    if isinstance(argument, float):
        yield argument
    elif isinstance(argument, tuple):
        for part in argument:
            yield from _floats(part)


def _numbers(attr: Attr, *, whole: bool) -> Iterator[float]:
    if isinstance(attr, float):
        yield attr
    elif isinstance(attr, tuple):
        for part in attr:
            yield from _numbers(part, whole=whole)
    elif isinstance(attr, Value) and not attr.shape and (whole or "float" in attr.dtype):
        yield _scalar(attr)


def _scalar(value: Value) -> float:
    if value.dtype == "bfloat16":
        return float(struct.unpack("<f", b"\0\0" + value.data)[0])
    number = struct.unpack(_LAYOUTS[value.dtype], value.data)[0]
    return number if isinstance(number, int) else float(number)


def _is_whole(attr: Attr | None) -> bool:
    return isinstance(attr, Value) and not attr.shape and "int" in attr.dtype


def _shapes_nothing(node: DataNode) -> bool:
    made = node.attrs.get("DstT")
    casts = node.op == "Cast" and isinstance(made, Dtype) and "float" in made.name
    return casts or node.op in _COMPARES
