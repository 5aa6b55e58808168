"""Pictures, where matplotlib is installed: it is imported only when something is drawn."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from wire.errors import Exhausted, InvalidInput, NotFound

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FORMATS = ".png", ".svg", ".pdf"
_DOTS_PER_INCH = 150


def picture(title: str, x: str, y: str, *, inches: tuple[float, float] = (9.0, 4.5)) -> tuple[Figure, Axes]:
    """An empty picture with a title and named axes. Raises NotFound where matplotlib is not installed."""
    try:
        from matplotlib.figure import Figure
    except ModuleNotFoundError as error:
        fix = "pip install 'wafer-streamer[plots]'"
        raise NotFound("pictures need matplotlib, which is not installed", fix=fix) from error
    figure = Figure(figsize=inches, layout="constrained")
    axes = figure.add_subplot()
    axes.set_title(title, loc="left", wrap=True)
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.grid(visible=True, alpha=0.3)
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}" if value >= 10 else f"{value:g}")
    return figure, axes


def save(figure: Figure, path: Path) -> None:
    """Write a picture in the format that the name says. Raises InvalidInput for another one, Exhausted."""
    if path.suffix.lower() not in FORMATS:
        what = f"{path.name} names no format of a picture"
        raise InvalidInput(what, where="--out", fix=f"end it in {', '.join(FORMATS)}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=_DOTS_PER_INCH)
    except OSError as error:
        raise Exhausted(f"the picture cannot be written: {error.strerror}", where=str(path)) from error
