"""`cerebras.tf.tf_helper`: what layers mark in a graph, and what a checkpoint holds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def summary_layer(x: Any) -> Any:
    """The tensor itself: values come off the system through a host_call."""
    return x


def summarize_tensor(x: Any, is_gradient_tensor: bool = False, op_name_if_grad: str | None = None) -> None:
    """Nothing: values come off the system through a host_call."""


def boundary_cast(x: Any, name: str | None = None, back_cast: bool = True) -> Any:
    """The tensor itself: the system casts what arrives by itself."""
    return x


def GetWeights(checkpoint: str) -> Iterator[tuple[str, Any]]:  # noqa: N802 - the name is CSoft's
    """Name and value, a NumPy array, of every variable in a TensorFlow checkpoint. checkpoint: its path."""
    import tensorflow as tf

    reader = tf.train.load_checkpoint(checkpoint)
    for name in reader.get_variable_to_shape_map():
        yield name, reader.get_tensor(name)


__all__ = ["GetWeights", "boundary_cast", "summarize_tensor", "summary_layer"]
