"""What a ported PyTorch model imports. Nothing is loaded before it is asked for."""

from __future__ import annotations

import sys
from importlib import import_module
from types import TracebackType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from clients.pytorch.loader import RecipeLoader as RecipeLoader
    from clients.pytorch.metrics import AccuracyMetric as AccuracyMetric
    from clients.pytorch.model import PyTorchBaseModel as PyTorchBaseModel
    from clients.pytorch.runner import run as run

__all__ = ["AccuracyMetric", "PyTorchBaseModel", "RecipeLoader", "run"]

_HOMES = {"AccuracyMetric": "metrics", "PyTorchBaseModel": "model", "RecipeLoader": "loader", "run": "runner"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def _without_traceback(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Ctrl-C while torch is still being imported, before run() could see it: one line, exit code 130 all the same."""
    if issubclass(kind, KeyboardInterrupt):
        sys.stderr.write("stopped by Ctrl-C\n")
    else:
        sys.__excepthook__(kind, error, trace)


if sys.excepthook is sys.__excepthook__:
    sys.excepthook = _without_traceback
