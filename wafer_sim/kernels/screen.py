"""The command `wafer_sim kernels`."""

from __future__ import annotations

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from wafer_sim.kernels.table import kernels_table


def show(console: Console | None = None) -> None:
    """Print the kernel library, family by family."""
    table = Table(box=SIMPLE_HEAD)
    for head in ("kernel", "PyTorch (aten)", "TensorFlow", "operations", "limits"):
        table.add_column(head, overflow="fold")
    family = ""
    for row in kernels_table():
        if row.family != family:
            family = row.family
            table.add_section()
            table.add_row(f"[bold]{family}[/]")
        table.add_row(row.kernel, " ".join(row.pytorch), " ".join(row.tensorflow), row.cost, row.limits)
    (console or Console(highlight=False)).print(table)
