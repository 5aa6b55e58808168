"""How an analysis of an input is worded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from clients.analysis.shapes import Brought, Setting, Shape, nodes_for
from clients.analysis.sizing import ADVICE
from wire.errors import Fault

_HOW = (
    "Measured through the service on this node, whose simulated wafer shares its processors. Other nodes are taken to "
    "bring the same; storage that they share is not looked at."
)


def heading(cpus: int) -> str:
    """Above what each shape brought. cpus: processors of this node."""
    columns = "  tasks   processors each   samples/s   samples/s each"
    return f"Input analysis, on a node of {_counted(cpus, 'processor')}:\n{columns}"


def line_of(shape: Shape, found: Brought | Fault) -> str:
    """What a shape brought, or why that is not known."""
    said = f"{found.rate:9,.0f}   {found.each:14,.0f}" if isinstance(found, Brought) else f"not measured: {found}"
    return f"  {shape.tasks:5}   {shape.cpus:15}   {said}"


def conclusion(brought: Sequence[Brought], setting: Setting, wanted: float | None) -> Iterator[str]:
    """What is recommended and expected. wanted: the compiler's estimate in samples a second, if there is one."""
    said = "there is none" if wanted is None else f"{wanted:,.0f} samples/s"
    yield f"Estimate of the compiler: {said}"
    options = f"--total-nodes={setting.nodes} --tasks-per-node={setting.tasks} --cpus-per-task={setting.cpus}"
    yield f"Recommended: csrun_wse {options} COMMAND   (the chief and {_counted(setting.workers, 'worker')})"
    yield f"Expected: {setting.rate:,.0f} samples/s{_against(setting, wanted)}"
    waited = next((each.waited for each in reversed(brought) if each.shape.cpus == setting.cpus), {})
    if any(waited.values()):
        most = max(waited, key=lambda part: waited[part])
        yield f"A worker waits most for {most}: {ADVICE[most]}"
    yield _HOW


def _against(setting: Setting, wanted: float | None) -> str:
    if wanted is None:
        return ""
    if setting.enough:
        return ": the input keeps up with the estimate"
    needed = nodes_for(setting, wanted)
    part = setting.rate / wanted
    return f", {part:.1%} of the estimate: the input is the limit; {_counted(needed, 'such node')} would be enough"


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"
