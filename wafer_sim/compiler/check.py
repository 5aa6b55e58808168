"""Whether a program can run on the wafer: every reason against it, at once. Client and service both ask."""

from __future__ import annotations

from collections.abc import Iterator

from wafer_sim.compiler.check_dataflow import check_dataflow
from wafer_sim.compiler.dataflow import Dataflow
from wafer_sim.compiler.program import EVALUATE, GRADIENTS, OBSERVED, Argument, Constant, Entry, Graph, Node, Program
from wafer_sim.compiler.reading import AnyProgram
from wafer_sim.compiler.refusal import DTYPES, Refusal
from wafer_sim.kernels.aten import KERNELS, nearest_way
from wire.errors import Refused

GRAD = "grad/"
BUFFER = "buffer/"
_LONGEST_LIST = 12


def check_program(program: AnyProgram) -> list[Refusal]:
    """Every reason why a program cannot run; an empty list when it can."""
    if isinstance(program, Dataflow):
        return check_dataflow(program)
    found = [*_tensors(program)]
    if not program.graphs:
        found.append(Refusal("", "", "the program has no graph", ""))
    for entry, graph in program.graphs.items():
        found += _outputs(program, entry, graph)
        found += (refusal for node in graph.nodes for refusal in _node(entry, node))
    return found


def require_supported(program: AnyProgram) -> None:
    """Raise Refused, with every operation that has no kernel and the user's line it comes from."""
    _refuse(check_program(program))


def require_kernels(program: AnyProgram) -> None:
    """As `require_supported`, for a part of a program: that its inputs and outputs are whole is not asked."""
    _refuse([refusal for refusal in check_program(program) if refusal.op])


def _refuse(refusals: list[Refusal]) -> None:
    if not refusals:
        return
    distinct = list(dict.fromkeys((r.op, r.source, r.hint) for r in refusals))
    ops = len({op for op, _, _ in distinct if op})
    listed = "; ".join(str(Refusal(op, source, hint, "")) for op, source, hint in distinct[:_LONGEST_LIST])
    more = f"; and {len(distinct) - _LONGEST_LIST} more" if len(distinct) > _LONGEST_LIST else ""
    what = f"the wafer has no kernel for {ops} of the model's operations" if ops else "this is no whole program"
    raise Refused(
        f"{what}: {listed}{more}",
        where=", ".join(dict.fromkeys(source for _, source, _ in distinct if source)),
        fix="rewrite these lines with supported operations" if ops else "capture the model again",
    )


def _tensors(program: Program) -> Iterator[Refusal]:
    tensors = [*(p.tensor for p in program.parameters), *program.inputs]
    for tensor in tensors:
        if tensor.dtype not in DTYPES:
            yield Refusal("", "", f"{tensor.name!r} has dtype {tensor.dtype!r}, which the wafer does not know", "")
    for names in ([p.tensor.name for p in program.parameters], [t.name for t in program.inputs]):
        for name in sorted({n for n in names if names.count(n) > 1}):
            yield Refusal("", "", f"{name!r} names more than one tensor", "")


def _outputs(program: Program, entry: Entry, graph: Graph) -> Iterator[Refusal]:
    known = {"loss"}
    if entry.kind == GRADIENTS:
        wanted = {GRAD + p.tensor.name for p in program.parameters if p.trained} | {"loss"}
        known = wanted | {BUFFER + p.tensor.name for p in program.parameters if not p.trained}
    elif entry.kind == EVALUATE:
        metrics = {name.rpartition("/")[0] for name in graph.outputs if name.startswith("metric/")}
        wanted = {"loss"} | {f"{metric}/{part}" for metric in metrics for part in ("sum", "count")}
        known = wanted | {name for name in graph.outputs if name.startswith(OBSERVED)}
    else:
        yield Refusal("", "", f"{entry.kind!r} is no kind of graph", str(entry))
        return
    if entry.batch_size < 1:
        yield Refusal("", "", "a graph is for at least one sample", str(entry))
    for name in sorted(wanted - graph.outputs.keys()):
        yield Refusal("", "", f"output {name!r} is missing", str(entry))
    for name in sorted(graph.outputs.keys() - known):
        yield Refusal("", "", f"output {name!r} has no meaning", str(entry))


def _node(entry: Entry, node: Node) -> Iterator[Refusal]:
    if node.op not in KERNELS:
        yield Refusal(node.op, node.source, nearest_way(node.op), str(entry))
        return
    for argument in (*node.args, *node.kwargs.values()):
        for constant in _constants(argument):
            if constant.kind == "dtype" and constant.name not in DTYPES:
                yield Refusal(node.op, node.source, f"dtype {constant.name!r} is not known", str(entry))


def _constants(argument: Argument) -> Iterator[Constant]:
    if isinstance(argument, Constant):
        yield argument
    elif isinstance(argument, tuple):
        for part in argument:
            yield from _constants(part)
