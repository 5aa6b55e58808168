"""`cerebras.tf.cs_estimator_spec`."""

from __future__ import annotations

from typing import Any

from clients.tensorflow import cs_estimator_spec as today


class CSEstimatorSpec(today.CSEstimatorSpec):
    """Of today, and made as a named tuple was: subclasses of that time hand their arguments to `__new__`."""

    def __new__(cls, *_: Any, **__: Any) -> CSEstimatorSpec:
        return super().__new__(cls)


__all__ = ["CSEstimatorSpec"]
