"""`cerebras.tf.cs_estimator`."""

from __future__ import annotations

from clients.tensorflow.estimator import CerebrasEstimator

__all__ = ["CerebrasEstimator"]
