"""`cerebras.tf.cs_estimator`."""

from __future__ import annotations

import logging

from clients.progress import LogLines
from clients.tensorflow.estimator import CerebrasEstimator

__all__ = ["CerebrasEstimator"]


def _speak() -> None:
    """What the clients say besides TensorFlow's own lines; code of that time sets up TensorFlow's logging only."""
    log = logging.getLogger("clients")
    if log.handlers or logging.getLogger().handlers:
        return
    lines = LogLines()
    lines.setFormatter(logging.Formatter(logging.BASIC_FORMAT))
    log.addHandler(lines)
    log.setLevel(logging.INFO)
    log.propagate = False


_speak()
