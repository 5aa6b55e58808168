"""What belongs to the repository but not to the installed package: found beside it, and run as a program of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from wire.errors import NotFound

ROOT = Path(__file__).parents[1]


def run_module(module: str, arguments: Sequence[str], root: Path = ROOT) -> int:
    """Run `python -m module` of a checkout in the current folder; its exit code. Raises NotFound where there is none.

    Nothing of it is imported here: it measures this package, and stands above it.
    """
    if not root.joinpath(*module.split(".")).with_suffix(".py").is_file():
        raise NotFound(
            f"{module} is not here: it is part of the repository, not of the installed package",
            where=str(root),
            fix="run the command from a checkout that was installed with `pip install -e .`",
        )
    path = os.pathsep.join(filter(None, (str(root), os.environ.get("PYTHONPATH"))))
    return subprocess.run(
        [sys.executable, "-m", module, *arguments], env=os.environ | {"PYTHONPATH": path}, check=False
    ).returncode
