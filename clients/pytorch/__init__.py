"""What a ported PyTorch model imports. Nothing is loaded before it is asked for."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from clients.ending import quiet_ctrl_c

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


# Ctrl-C while torch is still being imported, before run() could see it.
quiet_ctrl_c()
