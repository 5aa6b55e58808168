"""A user's project as a command: its run.py, started in a process of its own."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from wire.errors import InvalidInput, NotFound

RUN = "run.py"


@contextmanager
def compiled(params: Path, overrides: Mapping[str, Any]) -> Iterator[Path]:
    """Compile the project of a params file into a directory that is gone afterwards.

    overrides: "section.key" -> value, None leaves what the file says. Raises NotFound without a run.py, InvalidInput
    with its last words where it fails.
    """
    run = _run_of(params.absolute())
    given = [word for key, value in overrides.items() if value is not None for word in (key, str(value))]
    with tempfile.TemporaryDirectory() as name:
        words = ["--mode", "train", "--compile_only", "--params", str(params.absolute()), "-o", name, *given]
        done = subprocess.run(
            [sys.executable, run.name, *words], cwd=run.parent, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise InvalidInput(f"{run} --compile_only failed:\n{_last_words(done.stderr)}")
        yield Path(name)


def _last_words(said: str) -> str:
    """The error of a run.py, without what its framework said before; all of it where there is no such line."""
    _, found, error = f"\n{said}".partition("\nerror: ")
    return f"error: {error.strip()}" if found else said.strip()


def _run_of(params: Path) -> Path:
    if not params.is_file():
        raise NotFound("there is no such params file", where=str(params))
    for folder in params.parents:
        if (folder / RUN).is_file():
            return folder / RUN
    raise NotFound(f"there is no {RUN} in the folder of the params or above it", where=str(params))
