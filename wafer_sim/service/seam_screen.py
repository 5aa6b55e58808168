"""Seams and verdict of a run, as `wafer_sim status` and `wafer_sim top` show them."""

from __future__ import annotations

from collections.abc import Iterable

from rich.table import Table

from wafer_sim.figures import rates_of, verdict_of
from wafer_sim.meter import WARM_UP_STEPS
from wire.readings import by_name
from wire.spread import Spread
from wire.v1 import coordinator_pb2, run_pb2

_SHARES = (0.5, 0.95, 0.99)


def seam_table(seams: Iterable[run_pb2.Seam]) -> Table:
    """A line for each seam, all workers and streams together: how full it was found, and how long it was waited for."""
    table = table_of(
        "seams", "seam", "items", "MiB", "items found", "put waits p50 / 95 / 99", "get waits p50 / 95 / 99"
    )
    for name, reading in by_name(seams).items():
        room = f"{reading.occupancy:.1f}" if reading.capacity > 1 and reading.occupancy else "-"
        size = f"{reading.bytes / 2**20:,.0f}" if reading.bytes else "-"
        table.add_row(name, f"{reading.items:,}", size, room, waits(reading.put_waits), waits(reading.get_waits))
    return table


def waits(spread: Spread) -> str:
    """Three quantiles in milliseconds."""
    return " / ".join(f"{1000 * spread.quantile(share):.3g}" for share in _SHARES) + " ms" if spread.total else "-"


def table_of(title: str, *columns: str, folded: Iterable[str] = ()) -> Table:
    """An empty table of the screens. folded: columns whose text goes on in the next line where it is long."""
    table = Table(title=title, title_justify="left", title_style="bold", show_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold", no_wrap=column not in folded)
    return table


def conclusion(run: coordinator_pb2.RunStatus) -> str:
    """The verdict so far in a sentence, and the rate that another worker would make of it where there is one."""
    if run.progress.step <= WARM_UP_STEPS:
        return "too early to say whether the input keeps up"
    verdict, rates = verdict_of(run.progress, run.seams), rates_of(run.progress, run.seams)
    if verdict.keeps_up or verdict.cores_limit or not rates.workers:
        return verdict.sentence
    more = rates.workers + 1
    return f"{verdict.sentence} ({more}: about {rates.with_workers(more):,.0f} samples/s)"
