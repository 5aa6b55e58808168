"""Imported by Python at its start where this folder is on the path; whoever else has a sitecustomize comes next."""

from __future__ import annotations

import sys
from importlib.machinery import PathFinder
from importlib.util import module_from_spec
from pathlib import Path


def _run_the_next_one() -> None:
    here = str(Path(__file__).resolve().parent)
    others = [path for path in sys.path if str(Path(path).resolve()) != here]
    spec = PathFinder.find_spec("sitecustomize", others)
    if spec is not None and spec.loader is not None:
        spec.loader.exec_module(module_from_spec(spec))


from compat.start import start  # noqa: E402 - the function above is what this file is about

start()
_run_the_next_one()
