"""`tf.estimator`, as far as projects for the system use it. Each name is asked for when it is used."""

from __future__ import annotations

import logging
from importlib import import_module
from typing import Any

_HERE = (
    "EstimatorSpec",
    "EvalSpec",
    "ModeKeys",
    "RunConfig",
    "TrainSpec",
    "WarmStartSettings",
    "train_and_evaluate",
)
_FIX = "docs/compatibility.md says what is"

__all__ = [*_HERE, "Estimator"]  # noqa: F822, PLE0604 - names that are looked up when they are asked for

log = logging.getLogger("compat")


def __getattr__(name: str) -> Any:
    if name in _HERE:
        return getattr(import_module("clients.tensorflow"), name)
    if name == "Estimator":
        return import_module("clients.tensorflow").CerebrasEstimator
    if not name.startswith("__"):
        log.warning("tf.estimator.%s is not supported: %s", name, _FIX)
    raise AttributeError(f"tf.estimator.{name} is not supported here; {_FIX}")
