"""What a ported PyTorch model imports. Nothing is loaded before it is asked for."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from clients.ending import quiet_ctrl_c
from wire.staying import leave_as_it_is, staying

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
    with staying():
        found = globals()[name] = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    return found


# Ctrl-C while torch is still being imported, before run() could see it.
quiet_ctrl_c()
leave_as_it_is()
