"""The command `wafer_sim report`: an estimate that a compile left, as text and as a page."""

from __future__ import annotations

import sys
from pathlib import Path

from wafer_sim.durable import directories
from wafer_sim.fabric import artefacts, screen
from wafer_sim.fabric.page import page
from wire.errors import Exhausted, InvalidInput, NotFound


def show(directory: Path, html: Path | None, rate: float | None) -> None:
    """Print a compile's estimate, and write the page. Raises NotFound, InvalidInput, Exhausted."""
    if rate is not None and not rate > 0:
        raise InvalidInput(f"a worker makes more than {rate:g} samples/s", where="--rate", fix="give what was measured")
    found = newest(directory)
    estimate = artefacts.read(found)
    sys.stdout.write(screen.table(estimate, rate))
    if html is not None:
        try:
            html.write_text(page(estimate, rate=rate))
        except OSError as error:
            raise Exhausted(f"the page cannot be written: {error.strerror}", where=str(html)) from error
        sys.stdout.write(f"\n{html}\n")


def newest(directory: Path) -> Path:
    """A cs_ directory itself, or the newest one of a model_dir. Raises NotFound."""
    if (directory / artefacts.ESTIMATE).is_file():
        return directory
    compiles = directories(directory, artefacts.ESTIMATE).values() if directory.is_dir() else ()
    if not compiles:
        raise NotFound("there is no compile with an estimate", where=str(directory), fix="run.py --compile_only first")
    return max(compiles, key=lambda each: each.stat().st_mtime)
