"""A program: a model's graphs as data. It is what a client captures and what the wafer runs; it holds no code.

A graph is a list of calls of ATen operations on numbered values. The values come first from the parameters, then
from the batch, then from the calls.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

FORMAT = 1

GRADIENTS = "gradients"
EVALUATE = "evaluate"
OBSERVED = "observed/"


class ProgramError(ValueError):
    """Data that is no program, said with the place where it stops being one."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """A named tensor. shape: of a parameter; of one sample, for an input. dtype: numpy's name, or "bfloat16"."""

    name: str
    shape: tuple[int, ...]
    dtype: str


@dataclass(frozen=True, slots=True)
class Parameter:
    """A tensor of the model's state. A buffer is a parameter that is not trained."""

    tensor: Tensor
    trained: bool = True


@dataclass(frozen=True, slots=True)
class Ref:
    """The value with this number."""

    index: int


@dataclass(frozen=True, slots=True)
class Constant:
    """A named constant of the framework: kind "dtype", "device", "layout" or "memory_format"."""

    kind: str
    name: str


Argument = Ref | Constant | None | bool | int | float | str | tuple["Argument", ...]


@dataclass(frozen=True, slots=True)
class Node:
    """One call: op is "aten.<name>.<overload>".

    outputs: the numbers of the values it gives; None for one that nothing uses.
    source: the user's own line, "model.py:41", or "" where there is none (the backward pass).
    """

    op: str
    args: tuple[Argument, ...]
    kwargs: Mapping[str, Argument]
    outputs: tuple[int | None, ...]
    source: str = ""


@dataclass(frozen=True, slots=True)
class Graph:
    """Values 0 .. P-1 are the program's parameters, P .. P+I-1 its inputs; then come the nodes' outputs.

    outputs: name -> value. GRADIENTS graphs give "loss" and "grad/<parameter>" for each trained parameter;
    EVALUATE graphs give "loss" and, per metric, "metric/<name>/sum" and "metric/<name>/count"; they may have
    "observed/<name>", what may be seen of each batch.
    """

    nodes: tuple[Node, ...]
    outputs: Mapping[str, Ref]


@dataclass(frozen=True, slots=True)
class Entry:
    """What can be called: one kind of graph for one batch size (samples of one replica)."""

    kind: str
    batch_size: int

    def __str__(self) -> str:
        return f"{self.kind}@{self.batch_size}"

    @classmethod
    def parse(cls, text: str) -> Entry:
        kind, _, size = text.partition("@")
        if kind not in (GRADIENTS, EVALUATE) or not size.isdecimal():
            raise ProgramError(f"{text!r} is no entry of a program")
        return cls(kind, int(size))


@dataclass(frozen=True, slots=True)
class Program:
    """Everything the wafer needs to run a model, but for the weights and the optimizer.

    emulate_float16: float16 values are rounded and overflow as on the wafer; without it they are computed in float32.
    """

    parameters: tuple[Parameter, ...]
    inputs: tuple[Tensor, ...]
    graphs: Mapping[Entry, Graph] = field(default_factory=dict)
    emulate_float16: bool = False

    def to_json(self) -> str:
        """Canonical JSON: the same program is always the same text."""
        return json.dumps(_program_out(self), sort_keys=True, separators=(",", ":"), allow_nan=False)

    @classmethod
    def from_json(cls, text: str | bytes) -> Program:
        """Read what `to_json` wrote. Raises ProgramError for anything else."""
        try:
            return _program_in(json.loads(text))
        except ProgramError:
            raise
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise ProgramError(f"this is no program: {type(error).__name__}: {error}") from error

    def digest(self) -> str:
        """64 hex digits that name the executable: the same for two programs that differ in constants only.

        Floating-point arguments (dropout rate, the epsilon of a norm, a clip value) and source lines are left out,
        as the cache key of the real compiler leaves them out.
        """
        data = _program_out(self, constants=False)
        return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()


def _program_out(program: Program, constants: bool = True) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "parameters": [[*_tensor_out(p.tensor), p.trained] for p in program.parameters],
        "inputs": [_tensor_out(t) for t in program.inputs],
        "graphs": {str(entry): _graph_out(graph, constants) for entry, graph in program.graphs.items()},
        **({"emulate_float16": True} if program.emulate_float16 else {}),
    }


def _program_in(data: dict[str, Any]) -> Program:
    if data["format"] != FORMAT:
        raise ProgramError(f"this program has format {data['format']}; this version reads format {FORMAT}")
    parameters = tuple(Parameter(_tensor_in(p[:3]), bool(p[3])) for p in data["parameters"])
    inputs = tuple(_tensor_in(t) for t in data["inputs"])
    graphs = {Entry.parse(k): _graph_in(k, g, len(parameters) + len(inputs)) for k, g in data["graphs"].items()}
    return Program(parameters, inputs, graphs, bool(data.get("emulate_float16", False)))


def _tensor_out(tensor: Tensor) -> list[Any]:
    return [tensor.name, list(tensor.shape), tensor.dtype]


def _tensor_in(data: list[Any]) -> Tensor:
    name, shape, dtype = data
    return Tensor(str(name), tuple(int(d) for d in shape), str(dtype))


def _graph_out(graph: Graph, constants: bool) -> dict[str, Any]:
    nodes = [
        [
            node.op,
            [_argument_out(a, constants) for a in node.args],
            {k: _argument_out(v, constants) for k, v in node.kwargs.items()},
            list(node.outputs),
            node.source if constants else "",
        ]
        for node in graph.nodes
    ]
    return {"nodes": nodes, "outputs": {name: ref.index for name, ref in graph.outputs.items()}}


def _graph_in(name: str, data: dict[str, Any], values: int) -> Graph:
    known = set(range(values))
    nodes = []
    for op, args, kwargs, outputs, source in data["nodes"]:
        node = Node(
            str(op),
            tuple(_argument_in(a) for a in args),
            {str(k): _argument_in(v) for k, v in kwargs.items()},
            tuple(None if o is None else int(o) for o in outputs),
            str(source),
        )
        _require_known(name, node, known)
        known.update(o for o in node.outputs if o is not None)
        nodes.append(node)
    outputs = {str(k): Ref(int(v)) for k, v in data["outputs"].items()}
    if missing := [k for k, ref in outputs.items() if ref.index not in known]:
        raise ProgramError(f"graph {name}: output {missing[0]!r} is a value that nothing computes")
    return Graph(tuple(nodes), outputs)


def _require_known(graph: str, node: Node, known: set[int]) -> None:
    for ref in references(node):
        if ref.index not in known:
            raise ProgramError(f"graph {graph}: {node.op} reads value {ref.index} before it is computed")
    if any(o in known for o in node.outputs if o is not None):
        raise ProgramError(f"graph {graph}: {node.op} computes a value that exists already")


def references(node: Node) -> list[Ref]:
    """Every value that a node reads, in the order of its arguments."""

    def walk(argument: Argument) -> list[Ref]:
        if isinstance(argument, Ref):
            return [argument]
        return [ref for part in argument for ref in walk(part)] if isinstance(argument, tuple) else []

    return walk((*node.args, *node.kwargs.values()))


def _argument_out(argument: Argument, constants: bool) -> Any:
    match argument:
        case Ref(index):
            return {"ref": index}
        case Constant(kind, name):
            return {kind: name}
        case tuple():
            return [_argument_out(a, constants) for a in argument]
        case float():
            return {"float": float_text(argument) if constants else ""}
        case _:
            return argument


def float_text(number: float) -> str:
    """A float as text that `float.fromhex` reads back exactly."""
    return number.hex() if math.isfinite(number) else repr(number)


def _argument_in(data: Any) -> Argument:
    if isinstance(data, list):
        return tuple(_argument_in(a) for a in data)
    if not isinstance(data, dict):
        if data is not None and not isinstance(data, (bool, int, str)):
            raise ProgramError(f"{data!r} is no argument of an operation")
        return data
    ((kind, value),) = data.items()
    if kind == "ref":
        return Ref(int(value))
    if kind == "float":
        return float.fromhex(value)
    if kind not in ("dtype", "device", "layout", "memory_format"):
        raise ProgramError(f"{kind!r} is no kind of argument")
    return Constant(kind, str(value))
