"""Whether a dataflow program can run on the wafer: every reason against it, at once."""

from __future__ import annotations

from collections.abc import Iterator

from wafer_sim.compiler.dataflow import (
    BUFFER,
    GRAD,
    INPUT,
    KEY,
    LOCAL,
    LOSS,
    METRIC,
    OBSERVED,
    ROLES,
    TRAIN,
    Attr,
    Dataflow,
    DataGraph,
    DataNode,
    Dtype,
    Shape,
    Value,
    Variable,
    ancestors,
)
from wafer_sim.compiler.dataflow_json import MAX_CONSTANTS, constant_bytes
from wafer_sim.compiler.program import EVALUATE, GRADIENTS, Entry
from wafer_sim.compiler.refusal import DTYPES, Refusal
from wafer_sim.kernels.tensorflow import CHECKS, KERNELS, UPDATES, nearest_way

PLACEHOLDER = "Placeholder"
HANDLE = "VarHandleOp"
_RESOURCE = "resource"
_CARRIERS = frozenset(("Identity", "IdentityN", "Switch"))
_REDUCED = (GRAD, BUFFER)


def check_dataflow(program: Dataflow) -> list[Refusal]:
    """Every reason why a program cannot run; an empty list when it can."""
    found = [*_tensors(program)]
    if not program.graphs:
        found.append(Refusal("", "", "the program has no graph", ""))
    if constant_bytes(program) > MAX_CONSTANTS:
        found.append(Refusal("", "", f"it holds more than {MAX_CONSTANTS} bytes of constants; make them variables", ""))
    variables = {p.tensor.name: p for p in program.parameters}
    for entry, graph in program.graphs.items():
        found += _ends(program, entry, graph)
        found += (refusal for node in graph.nodes for refusal in _node(entry, node, graph, variables))
        found += _parts(entry, graph)
    return found


def _is_reduced(name: str, program: Dataflow) -> bool:
    """Whether "grad/<variable>", "grad/<variable>#2" or "buffer/<variable>" is of a variable that has such a thing."""
    kind, _, rest = name.partition("/")
    found = next((p for p in program.parameters if p.tensor.name == rest.partition("#")[0]), None)
    return found is not None and found.role != LOCAL and found.trained == (f"{kind}/" == GRAD)


def _tensors(program: Dataflow) -> Iterator[Refusal]:
    for tensor in [*(p.tensor for p in program.parameters), *program.inputs]:
        if tensor.dtype not in DTYPES:
            yield Refusal("", "", f"{tensor.name!r} has dtype {tensor.dtype!r}, which the wafer does not know", "")
    for names in ([p.tensor.name for p in program.parameters], [t.name for t in program.inputs]):
        for name in sorted({n for n in names if names.count(n) > 1} if len(set(names)) < len(names) else ()):
            yield Refusal("", "", f"{name!r} names more than one tensor", "")
    for variable in program.parameters:
        if variable.role not in ROLES:
            yield Refusal("", "", f"{variable.tensor.name!r} has the unknown role {variable.role!r}", "")


def _ends(program: Dataflow, entry: Entry, graph: DataGraph) -> Iterator[Refusal]:
    """What is fed and fetched is what the wafer feeds and fetches."""
    place = str(entry)
    if entry.batch_size < 1:
        yield Refusal("", "", "a graph is for at least one sample", place)
    reduced = {name for name in graph.fetches if name.startswith(_REDUCED) and _is_reduced(name, program)}
    metrics = {name for name in graph.fetches if name.startswith(METRIC)}
    observed = {name for name in graph.fetches if name.startswith(OBSERVED)}
    wanted, known = ({LOSS, TRAIN}, reduced | observed) if entry.kind == GRADIENTS else ({LOSS}, metrics)
    for name in sorted(wanted - graph.fetches.keys()):
        yield Refusal("", "", f"output {name!r} is missing", place)
    for name in sorted(graph.fetches.keys() - known - wanted):
        yield Refusal("", "", f"output {name!r} has no meaning", place)
    fed = {KEY, *(INPUT + t.name for t in program.inputs), *(reduced if entry.kind == GRADIENTS else ())}
    for name in sorted(graph.feeds.keys() - fed):
        yield Refusal("", "", f"nothing feeds {name!r}", place)
    if entry.kind == GRADIENTS and (odd := reduced ^ {n for n in graph.feeds if n.startswith(_REDUCED)}):
        yield Refusal("", "", f"{sorted(odd)[0]!r} is not both made and taken", place)
    if entry.kind == GRADIENTS and not any(name.startswith(GRAD) for name in reduced):
        yield Refusal("", "", "nothing is trained", place)


def _node(entry: Entry, node: DataNode, graph: DataGraph, variables: dict[str, Variable]) -> Iterator[Refusal]:
    place = str(entry)
    if node.op not in KERNELS or (node.op in CHECKS and entry.kind == GRADIENTS):
        yield Refusal(node.op, node.source, nearest_way(node.op), place)
        return
    for name in sorted(node.attrs.keys() - KERNELS[node.op]):
        yield Refusal(node.op, node.source, f"it has the unknown attribute {name!r}", place)
    for dtype in (d for attr in node.attrs.values() for d in _dtypes(attr)):
        if dtype not in DTYPES and not (dtype == _RESOURCE and node.op in _CARRIERS):
            yield Refusal(node.op, node.source, f"dtype {dtype!r} is not known", place)
    if node.op == PLACEHOLDER and node.name not in graph.feeds.values():
        yield Refusal(node.op, node.source, nearest_way(node.op), place)
    if node.op == HANDLE and not _is_handle(node, variables):
        yield Refusal(node.op, node.source, "it is no variable of the program, or one of another shape", place)


def _dtypes(attr: Attr) -> Iterator[str]:
    if isinstance(attr, Dtype):
        yield attr.name
    elif isinstance(attr, Value):
        yield attr.dtype
    elif isinstance(attr, tuple):
        for part in attr:
            yield from _dtypes(part)


def _is_handle(node: DataNode, variables: dict[str, Variable]) -> bool:
    found = variables.get(str(node.attrs.get("shared_name")))
    if found is None:
        return False
    return node.attrs.get("dtype") == Dtype(found.tensor.dtype) and node.attrs.get("shape") == Shape(found.tensor.shape)


def _parts(entry: Entry, graph: DataGraph) -> Iterator[Refusal]:
    """Gradients change nothing; the update takes nothing but the reduced gradients; the feeds are Placeholders."""
    nodes = {node.name: node for node in graph.nodes}
    made = [r for name, r in graph.fetches.items() if name == LOSS or name.startswith(_REDUCED)]
    computing = ancestors(graph, made)
    seen = ancestors(graph, [r for name, r in graph.fetches.items() if name.startswith(OBSERVED)])
    for name in sorted((computing | seen) & nodes.keys()):
        if nodes[name].op in UPDATES:
            yield Refusal(
                "", nodes[name].source, f"{nodes[name].op} changes a variable while gradients are made", str(entry)
            )
    updating = ancestors(graph, [r for name, r in graph.fetches.items() if name == TRAIN])
    for feed, name in graph.feeds.items():
        if name not in nodes or nodes[name].op != PLACEHOLDER:
            yield Refusal("", "", f"{feed!r} is no Placeholder", str(entry))
        if name in (computing if feed.startswith(_REDUCED) else updating):
            yield Refusal("", "", f"{feed!r} is read by the wrong part of the graph", str(entry))
    if entry.kind == EVALUATE and any(name.startswith(_REDUCED) or name == TRAIN for name in graph.fetches):
        yield Refusal("", "", "an evaluation trains nothing", str(entry))
