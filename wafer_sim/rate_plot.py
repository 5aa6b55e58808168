"""`wafer_sim plot`: the rate of a run over time, its stalls shaded."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wafer_sim import performance
from wafer_sim.drawn import picture, save
from wire.errors import InvalidInput

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_SHOWN = 0.01
"""A smaller share of stall is not shaded."""
_NEAR = 3.0
"""An estimate is drawn where it is no higher than so many times the highest rate; else it is only named."""


def plot(model_dir: Path, out: Path | None) -> None:
    """Draw what performance.json says; out: default rate.png beside it. Raises NotFound, InvalidInput, Exhausted."""
    figures = performance.read(model_dir)
    target = out or (model_dir if model_dir.is_dir() else model_dir.parent) / "rate.png"
    save(rate_figure(figures, str(model_dir)), target)
    sys.stdout.write(f"{target}\n")


def rate_figure(figures: Mapping[str, Any], where: str) -> Figure:
    """figures: of performance.json. Raises InvalidInput where it has no timeline."""
    timeline: Mapping[str, list[float]] = figures.get("timeline") or {}
    if not timeline.get("seconds"):
        what = "the run was too short for a rate over time, or a version before this one left its figures"
        raise InvalidInput(what, where=where, fix="train again, for more steps")
    figure, axes = picture(str(figures.get("verdict", "")), "seconds since the first step", "samples/s")
    ends, rates = timeline["seconds"], timeline["samples_per_second"]
    begins = [0.0, *ends[:-1]]
    axes.stairs(rates, [0.0, *ends], color="tab:blue", linewidth=1.5, label="rate")
    _shade(axes, begins, ends, timeline["stall_fraction"])
    axes.axhline(figures["samples_per_sec"], color="tab:blue", linestyle=":", label="mean, without warm-up")
    _estimate(axes, figures.get("est_samples_per_sec"), max(rates))
    axes.set_xlim(0.0, ends[-1])
    axes.set_ylim(bottom=0.0)
    axes.legend(loc="lower right", framealpha=0.6)
    return figure


def _shade(axes: Axes, begins: list[float], ends: list[float], stalls: list[float]) -> None:
    shown = [(begin, end, stall) for begin, end, stall in zip(begins, ends, stalls, strict=True) if stall >= _SHOWN]
    for number, (begin, end, stall) in enumerate(shown):
        label = "" if number else "stalled: the darker, the more of the time"
        axes.axvspan(begin, end, color="tab:red", alpha=0.5 * stall, linewidth=0, label=label)


def _estimate(axes: Axes, estimate: float | None, highest: float) -> None:
    if not estimate:
        return
    if estimate <= _NEAR * highest:
        axes.axhline(estimate, color="tab:green", linestyle="--", label="estimate of the real machine")
    else:
        axes.plot([], [], color="tab:green", linestyle="--", label=f"estimate of the real machine: {estimate:,.0f}")
