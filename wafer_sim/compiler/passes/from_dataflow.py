"""A TensorFlow program as a kernel graph: its nodes as calls, its variables as parameters.

A gradient, or what a moving average takes, is read by the update where it is made: what replicas reduce in between is
nothing to a kernel.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from wafer_sim.compiler import dataflow as flows
from wafer_sim.compiler.check_dataflow import HANDLE, PLACEHOLDER
from wafer_sim.compiler.dataflow import (
    BUFFER,
    GRAD,
    INPUT,
    OBSERVED,
    TRAIN,
    Attr,
    Dataflow,
    DataGraph,
    DataNode,
    Shape,
    Value,
)
from wafer_sim.compiler.program import GRADIENTS, Entry
from wafer_sim.graph import kernel_graph
from wafer_sim.graph.kernel_graph import (
    BACKWARD,
    FORWARD,
    MADE,
    PARAMETER,
    PHASES,
    UPDATE,
    Argument,
    Call,
    Dtype,
    KernelGraph,
    Ref,
    Spec,
)
from wafer_sim.graph.validity import READ
from wafer_sim.kernels.tensorflow import UPDATES

LARGEST = 1024
"""So many elements of a constant are told: axes and lengths, which decide shapes."""

_KEY = Spec((2,), "int64")


def from_dataflow(program: Dataflow, entry: Entry) -> KernelGraph:
    """The graph of an entry. Raises KeyError for an entry that the program has not."""
    graph = program.graphs[entry]
    names, inputs = _names(program, graph, entry)
    phases = _phases(graph, entry)
    counts = _outputs(graph)
    calls = [
        _call(node, names, phases.get(node.name, UPDATE), counts.get(node.name, 1))
        for node in graph.nodes
        if node.op not in (HANDLE, PLACEHOLDER, "NoOp", "VarIsInitializedOp")
    ]
    values = {PARAMETER + p.tensor.name: Spec(p.tensor.shape, p.tensor.dtype) for p in program.parameters} | inputs
    trained = {PARAMETER + p.tensor.name: p.trained for p in program.parameters}
    outputs = {n: value for n, reference in graph.fetches.items() if (value := _value(reference, names))}
    outputs = {(n.partition("#")[0] if n.startswith(GRAD) else n): v for n, v in outputs.items() if n != TRAIN}
    outputs = {n: v for n, v in outputs.items() if not n.startswith((BUFFER, OBSERVED))}
    ordered = sorted(calls, key=lambda call: PHASES.index(call.phase))
    return KernelGraph(READ, entry.batch_size, trained, tuple(inputs), values, tuple(ordered), outputs)


def _names(program: Dataflow, graph: DataGraph, entry: Entry) -> tuple[dict[str, str], dict[str, Spec]]:
    """Node -> value, for the nodes that make nothing: handles, what is fed, and gradients that come back reduced."""
    names = {node.name: PARAMETER + str(node.attrs["shared_name"]) for node in graph.nodes if node.op == HANDLE}
    inputs: dict[str, Spec] = {}
    for feed, node in graph.feeds.items():
        if feed.startswith((GRAD, BUFFER)):
            continue
        names[node] = kernel_graph.INPUT + feed.removeprefix(INPUT)
        inputs[names[node]] = _KEY
    for tensor in program.inputs:
        if kernel_graph.INPUT + tensor.name in inputs:
            inputs[kernel_graph.INPUT + tensor.name] = Spec((entry.batch_size, *tensor.shape), tensor.dtype)
    for feed, node in graph.feeds.items():
        if feed.startswith((GRAD, BUFFER)):
            names[node] = _value(graph.fetches[feed], names) or ""
    return names, inputs


def _phases(graph: DataGraph, entry: Entry) -> dict[str, str]:
    if entry.kind != GRADIENTS:
        return {node.name: FORWARD for node in graph.nodes}
    made = {name: ref for name, ref in graph.fetches.items() if name != TRAIN}
    backward = _reached(graph, (ref for name, ref in made.items() if name.startswith(GRAD)))
    forward = _reached(graph, (ref for name, ref in made.items() if not name.startswith(GRAD)))
    return {**dict.fromkeys(backward, BACKWARD), **dict.fromkeys(forward, FORWARD)}


def _reached(graph: DataGraph, references: Iterable[str]) -> set[str]:
    """The nodes whose values these references need; one that only has to come first is not among them."""
    wanted = {flows.node_of(reference) for reference in references}
    for node in reversed(graph.nodes):
        if node.name in wanted:
            wanted.update(flows.node_of(r) for r in node.inputs if not r.startswith("^"))
    return wanted


def _value(reference: str, names: Mapping[str, str]) -> str | None:
    if reference.startswith("^"):
        return None
    node, _, number = reference.partition(":")
    if node in names:
        return names[node]
    return f"{MADE}{node}#{number}" if number and number != "0" else MADE + node


def _outputs(graph: DataGraph) -> dict[str, int]:
    """How many of its results are read, for each node with more than one."""
    counts: dict[str, int] = {}
    for reference in [*(r for node in graph.nodes for r in node.inputs), *graph.fetches.values()]:
        node, _, number = reference.partition(":")
        if number:
            counts[node] = max(counts.get(node, 1), int(number) + 1)
    return counts


def _call(node: DataNode, names: Mapping[str, str], phase: str, results: int) -> Call:
    values = [_value(reference, names) for reference in node.inputs]
    arguments = tuple(Ref(value) for value in values if value is not None)
    options = {name: _attribute(attr) for name, attr in node.attrs.items()}
    if isinstance(constant := node.attrs.get("value"), Value):
        options |= {"value": _constant(constant), "shape": constant.shape}
    made = (MADE + node.name, *(f"{MADE}{node.name}#{number}" for number in range(1, results)))
    made = () if node.op in UPDATES else made
    return Call(f"tf.{node.op}", arguments, made, options, phase, node.source)


def _attribute(attr: Attr) -> Argument:
    match attr:
        case flows.Dtype(name):
            return Dtype(name)
        case Shape(dims):
            return dims
        case Value():
            return None
        case tuple():
            return tuple(_attribute(part) for part in attr)
        case _:
            return attr


def _constant(value: Value) -> Argument:
    """The numbers of a small constant; None for a large one and for what numpy has no dtype for."""
    if value.dtype == "bfloat16" or np.prod(value.shape, dtype=int) > LARGEST:
        return None
    array = np.frombuffer(value.data, np.dtype(value.dtype).newbyteorder("<")).reshape(value.shape)
    return _nested(array.tolist())


def _nested(data: object) -> Argument:
    if isinstance(data, list):
        return tuple(_nested(part) for part in data)
    return data if isinstance(data, (bool, int, float)) else None
