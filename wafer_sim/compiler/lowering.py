"""From a program to work for the fabric: the door of the compiler's middle."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from wafer_sim.compiler.check import require_supported
from wafer_sim.compiler.dataflow import Dataflow
from wafer_sim.compiler.passes.bare import bare
from wafer_sim.compiler.passes.canonicalise import canonicalise
from wafer_sim.compiler.passes.cut import cut
from wafer_sim.compiler.passes.from_dataflow import from_dataflow
from wafer_sim.compiler.passes.from_program import from_program
from wafer_sim.compiler.passes.fuse import fuse
from wafer_sim.compiler.passes.match import match
from wafer_sim.compiler.passes.shapes import shapes
from wafer_sim.compiler.passes.update import with_update
from wafer_sim.compiler.passes.work import precision_of, work_of
from wafer_sim.compiler.program import GRADIENTS, Entry
from wafer_sim.compiler.reading import AnyProgram
from wafer_sim.compiler.training import OptimizerSpec
from wafer_sim.fabric.work import Work
from wafer_sim.graph.kernel_graph import KernelGraph
from wafer_sim.graph.text import to_text
from wafer_sim.graph.validity import (
    BARE,
    CANONICALISED,
    CUT,
    FUSED,
    MATCHED,
    SHAPED,
    UPDATED,
    InvalidGraphError,
    require_valid,
)
from wire.errors import NotFound, Refused


@dataclass(frozen=True, slots=True)
class Pass:
    """One pass. name: also the stage of the graph that it gives."""

    name: str
    run: Callable[[KernelGraph], KernelGraph]


def passes(optimizer: OptimizerSpec | None) -> tuple[Pass, ...]:
    """The passes, in their order. optimizer: of a PyTorch program; a TensorFlow program holds its own."""
    return (
        Pass(CANONICALISED, canonicalise),
        Pass(SHAPED, shapes),
        Pass(MATCHED, match),
        Pass(UPDATED, lambda graph: with_update(graph, optimizer)),
        Pass(BARE, bare),
        Pass(FUSED, fuse),
        Pass(CUT, cut),
    )


def stages(program: AnyProgram, entry: Entry, optimizer: OptimizerSpec | None = None) -> Iterator[KernelGraph]:
    """The kernel graph as it is read, and after each pass, checked every time.

    Raises Refused for a program that is not whole, that lacks a kernel or whose shapes cannot be known, NotFound for
    an entry that it has not, InvalidGraphError for a fault of a pass.
    """
    if entry not in program.graphs:
        known = ", ".join(str(known) for known in program.graphs) or "none"
        raise NotFound(f"the program has no graph {entry}", fix=f"its graphs: {known}")
    require_supported(program)
    graph = from_dataflow(program, entry) if isinstance(program, Dataflow) else from_program(program, entry)
    _require_whole(graph)
    yield graph
    for step in passes(optimizer):
        graph = step.run(graph)
        require_valid(graph)
        yield graph


def _require_whole(graph: KernelGraph) -> None:
    try:
        require_valid(graph)
    except InvalidGraphError as error:
        raise Refused(f"this is no whole program: {error}", fix="capture the model again") from error


def texts(program: AnyProgram, entry: Entry, optimizer: OptimizerSpec | None = None) -> dict[str, str]:
    """The text of the graph after each pass, by the pass's name; what was read is under "read"."""
    return {graph.stage: to_text(graph) for graph in stages(program, entry, optimizer)}


def lower(program: AnyProgram, entry: Entry, optimizer: OptimizerSpec | None = None) -> Work:
    """The work of one entry of a program, for the fabric. Raises what `stages` raises."""
    found = {graph.stage: graph for graph in stages(program, entry, optimizer)}
    return work_of(found[CUT], entry.kind == GRADIENTS, precision_of(found[BARE]))
