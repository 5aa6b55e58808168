"""A PyTorch program as a kernel graph: ATen calls on numbered values, named by their number."""

from __future__ import annotations

from collections.abc import Iterable

from wafer_sim.compiler import program as programs
from wafer_sim.compiler.program import GRADIENTS, Constant, Entry, Graph, Node, Program, Ref, Tensor
from wafer_sim.graph import kernel_graph
from wafer_sim.graph.kernel_graph import BACKWARD, FORWARD, INPUT, MADE, PARAMETER, Call, Dtype, KernelGraph, Spec
from wafer_sim.graph.validity import READ

_IGNORED = ("device", "layout", "pin_memory", "non_blocking", "memory_format")
_GRAD = "grad/"


def from_program(program: Program, entry: Entry) -> KernelGraph:
    """The graph of an entry. Raises KeyError for an entry that the program has not."""
    graph = program.graphs[entry]
    state = [PARAMETER + p.tensor.name for p in program.parameters]
    inputs = [INPUT + t.name for t in program.inputs]
    names = dict(enumerate([*state, *inputs]))
    specs = [_spec(p.tensor, ()) for p in program.parameters] + [_spec(t, (entry.batch_size,)) for t in program.inputs]
    forward = _forward(graph) if entry.kind == GRADIENTS else {id(node) for node in graph.nodes}
    calls = [_call(node, names, FORWARD if id(node) in forward else BACKWARD) for node in graph.nodes]
    outputs = {name: _name(ref.index, names) for name, ref in graph.outputs.items()}
    return KernelGraph(
        READ,
        entry.batch_size,
        {PARAMETER + p.tensor.name: p.trained for p in program.parameters},
        tuple(inputs),
        dict(zip([*state, *inputs], specs, strict=True)),
        tuple(sorted(calls, key=lambda call: call.phase == BACKWARD)),
        outputs,
    )


def _spec(tensor: Tensor, leading: tuple[int, ...]) -> Spec:
    return Spec((*leading, *tensor.shape), tensor.dtype)


def _forward(graph: Graph) -> set[int]:
    """The nodes that anything but a gradient needs."""
    wanted = {ref.index for name, ref in graph.outputs.items() if not name.startswith(_GRAD)}
    found = set()
    for node in reversed(graph.nodes):
        if wanted.intersection(_made(node)):
            found.add(id(node))
            wanted.update(ref.index for ref in programs.references(node))
    return found


def _made(node: Node) -> Iterable[int]:
    return (index for index in node.outputs if index is not None)


def _name(index: int, names: dict[int, str]) -> str:
    return names.get(index, f"{MADE}{index}")


def _call(node: Node, names: dict[int, str], phase: str) -> Call:
    options = {key: _argument(value, names) for key, value in node.kwargs.items() if key not in _IGNORED}
    outputs = tuple(None if index is None else _name(index, names) for index in node.outputs)
    return Call(node.op, tuple(_argument(a, names) for a in node.args), outputs, options, phase, node.source)


def _argument(argument: programs.Argument, names: dict[int, str]) -> kernel_graph.Argument:
    match argument:
        case Ref(index):
            return kernel_graph.Ref(_name(index, names))
        case Constant("dtype", name):
            return Dtype(name)
        case Constant():
            return None
        case tuple():
            return tuple(_argument(part, names) for part in argument)
        case _:
            return argument
