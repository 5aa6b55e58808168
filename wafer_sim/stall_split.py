"""`wafer_sim stalls`: three runs of the same job, side by side, say where the time goes."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.table import Table

from wafer_sim import performance
from wafer_sim.verdict import KEEPS_UP, Split, split
from wire.errors import InvalidInput


def show(synthetic: Path, warm: Path, cold: Path, console: Console | None = None) -> None:
    """Write a table and a sentence to stdout. Raises NotFound, InvalidInput."""
    rates = [_rate(path) for path in (synthetic, warm, cold)]
    found = split(*rates)
    table = Table(title="Where the time of an epoch goes", title_justify="left", show_edge=False)
    for column in ("run", "samples/s", "part", "of the cold run's time"):
        table.add_column(column)
    parts = (("computing", found.compute), ("prep: making batches", found.prep), ("fetch: reading", found.fetch))
    for name, rate, (part, share) in zip(("synthetic", "warm", "cold"), rates, parts, strict=True):
        table.add_row(name, f"{rate:,.0f}", part, f"{share:.1%}")
    console = console or Console(highlight=False)
    console.print(table)
    console.print(sentence(found))


def sentence(found: Split) -> str:
    """What there is to do about it."""
    head = f"With cached batches the wafer takes {found.headroom:.2f} times what the warm input gives"
    if found.compute >= KEEPS_UP:
        return f"{head}: the input keeps up."
    worst = "reading the data: faster or nearer storage" if found.fetch > found.prep else "making batches: more workers"
    return f"{head}. Most is lost with {worst}."


def _rate(path: Path) -> float:
    rate = float(performance.read(path)["samples_per_sec"])
    if rate <= 0:
        raise InvalidInput("the run measured no rate", where=str(path), fix="train for more steps")
    return rate
