"""`cerebras.tf.run_config`."""

from __future__ import annotations

from clients.tensorflow.run_config import CSRunConfig

__all__ = ["CSRunConfig"]
