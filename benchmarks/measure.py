"""What every benchmark needs: the machine in words, spread of several runs, a table and a JSON file."""

from __future__ import annotations

import json
import os
import platform
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from rich.console import Console
from rich.table import Table

RESULTS = Path(__file__).parent / "results"
PACKAGES = ("grpcio", "numpy", "pyarrow", "torch")


def worded(value: float) -> str:
    """A number for people: four digits, and all of those before the point."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def machine() -> dict[str, str]:
    """Hardware and versions."""
    model = next(
        (line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line),
        platform.processor(),
    )
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    versions = {name: version(name) for name in PACKAGES}
    return {
        "cpu": f"{os.cpu_count()} x {model}",
        "memory": f"{memory:.0f} GiB",
        "python": platform.python_version(),
    } | versions


@dataclass(frozen=True)
class Figure:
    """One figure over several runs. target: what it must reach ("" where nothing is asked)."""

    name: str
    unit: str
    values: Sequence[float]
    target: str = ""
    met: bool | None = None

    @property
    def median(self) -> float:
        return statistics.median(self.values)


@dataclass(frozen=True)
class Result:
    """What one benchmark measured, with all that is needed to repeat it. refused: why figures are not there."""

    name: str
    command: str
    figures: Sequence[Figure]
    notes: str = ""
    refused: Sequence[str] = ()
    when: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))
    machine: Mapping[str, str] = field(default_factory=machine)

    @property
    def met(self) -> bool:
        """Whether no target was missed, and nothing refused."""
        return not self.refused and all(figure.met is not False for figure in self.figures)


def publish(result: Result, *, keep: bool = True) -> None:
    """Print the table and, to `keep` it, write benchmarks/results/<name>.json."""
    table = Table(title=f"{result.name}   $ {result.command}", title_justify="left")
    for column in ("figure", "median", "min", "max", "runs", "target"):
        table.add_column(column)
    for figure in result.figures:
        met = {True: " met", False: " MISSED", None: ""}[figure.met]
        spread = (f"{worded(value)} {figure.unit}" for value in (figure.median, min(figure.values), max(figure.values)))
        table.add_row(figure.name, *spread, str(len(figure.values)), figure.target + met)
    console = Console()
    (console if console.is_terminal else Console(width=120)).print(table)
    for sentence in filter(None, (*result.refused, result.notes)):
        print(sentence)
    if not keep:
        return
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{result.name}.json").write_text(json.dumps(asdict(result), indent=1) + "\n")
