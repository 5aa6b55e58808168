"""`python -m benchmarks.plots [result.json ...]`: pictures of results, beside them, as PNG and SVG.

Figures of a result that share a unit per second are bars, one for each peer, with the spread of their runs; one whose
name begins with "limit:" is a line across them. Figures called "2 workers", "batch 256" or "sample 3136 B" are
points of a curve, of the rate against that.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.measure import RESULTS, worded
from wafer_sim.drawn import picture, save
from wire.ending import code_of
from wire.errors import InvalidInput

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FORMATS = ".png", ".svg"
LIMIT = "limit:"
POINT = re.compile(r"(?P<before>batch |sample )?(?P<number>\d+)(?P<after> workers?| B)?(?P<series>, .+)?")
AXES = {"workers": "workers", "batch": "samples in a batch", "sample": "bytes in a sample"}

AFigure = Mapping[str, Any]
"""A benchmarks.measure.Figure as JSON has it."""


def pictures(result: Mapping[str, Any]) -> Iterator[tuple[str, Figure]]:
    """What there is to draw of a result: the end of the picture's name, and the picture."""
    rates = [figure for figure in result["figures"] if figure["unit"].endswith("/s")]
    points = [figure for figure in rates if point_of(figure["name"]) is not None]
    for kind in AXES:
        of_kind = [figure for figure in points if (point_of(figure["name"]) or ("",))[0] == kind]
        if len(of_kind) > 1:
            yield f"-{kind}", curve(result["name"], kind, of_kind)
    for unit in dict.fromkeys(figure["unit"] for figure in rates):
        of_unit = [figure for figure in rates if figure["unit"] == unit and figure not in points]
        if sum(not figure["name"].startswith(LIMIT) for figure in of_unit) > 1 or len(of_unit) > 2:
            yield f"-{unit.replace('/', '-per-')}", bars(result["name"], of_unit)


def point_of(name: str) -> tuple[str, float, str] | None:
    """What a figure is a point of ("workers", "batch" or "sample"), where it is on that axis, and its curve's name."""
    found = POINT.fullmatch(name)
    if found is None or not (found["before"] or found["after"]):
        return None
    kind = (found["before"] or found["after"]).strip()
    kind = "workers" if kind.startswith("worker") else kind
    return (kind, float(found["number"]), (found["series"] or "").removeprefix(", ")) if kind in AXES else None


def curve(name: str, kind: str, figures: Sequence[AFigure]) -> Figure:
    """The rate against workers, batch size or sample size; a curve for each series, with the spread of the runs."""
    figure, axes = picture(name, AXES[kind], figures[0]["unit"])
    points = [(point_of(each["name"]) or ("", 0.0, ""), each["values"]) for each in figures]
    for series in dict.fromkeys(point[2] for point, _ in points):
        mine = sorted((point[1], values) for point, values in points if point[2] == series)
        spread = _spread([values for _, values in mine])
        medians = [statistics.median(values) for _, values in mine]
        axes.errorbar([at for at, _ in mine], medians, yerr=spread, marker="o", capsize=3, label=series or "measured")
    if kind != "workers":
        axes.set_xscale("log", base=2)
    axes.set_ylim(bottom=0.0)
    axes.legend()
    return figure


def bars(name: str, figures: Sequence[AFigure]) -> Figure:
    """A bar for each figure, with the spread of its runs; limits are lines."""
    figure, axes = picture(name, "", figures[0]["unit"])
    peers = [each for each in figures if not each["name"].startswith(LIMIT)]
    medians = [statistics.median(each["values"]) for each in peers]
    spread = _spread([each["values"] for each in peers])
    drawn = axes.bar([each["name"] for each in peers], medians, yerr=spread, capsize=4, color="tab:blue")
    axes.bar_label(drawn, labels=[worded(median) for median in medians], padding=3)
    for number, limit in enumerate(each for each in figures if each["name"].startswith(LIMIT)):
        height = statistics.median(limit["values"])
        axes.axhline(height, color=f"C{number + 1}", linestyle="--", label=f"{limit['name']}: {worded(height)}")
        axes.legend()
    axes.tick_params(axis="x", labelrotation=15)
    return figure


def draw(result: Path) -> list[Path]:
    """Draw a result file; the pictures, which lie beside it.

    Raises InvalidInput, Exhausted, and NotFound without matplotlib.
    """
    try:
        content = json.loads(result.read_text())
    except (OSError, ValueError) as error:
        what = f"this is no result of a benchmark: {error}"
        raise InvalidInput(what, where=str(result), fix="give a JSON file of benchmarks/results/") from error
    made: list[Path] = []
    for ending, figure in pictures(content):
        for suffix in FORMATS:
            made.append(result.with_name(f"{result.stem}{ending}{suffix}"))
            save(figure, made[-1])
    return made


def _spread(runs: Sequence[Sequence[float]]) -> tuple[list[float], list[float]]:
    medians = [statistics.median(values) for values in runs]
    below = [median - min(values) for median, values in zip(medians, runs, strict=True)]
    return below, [max(values) - median for median, values in zip(medians, runs, strict=True)]


def main(names: Sequence[str]) -> int:
    """Draw these result files, or all there are; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.plots", description=str(__doc__).partition(": ")[2])
    parser.add_argument(
        "results", nargs="*", type=Path, metavar="result.json", help="all of benchmarks/results/ if none"
    )
    asked: list[Path] = parser.parse_args(names).results
    return code_of(lambda: _draw_all(asked or sorted(RESULTS.glob("*.json"))))


def _draw_all(results: Sequence[Path]) -> None:
    for result in results:
        for path in draw(result):
            print(path)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
