"""`cerebras.tf.summary`: whether a model's summaries are written."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_WRITERS = ("scalar", "histogram", "image", "text", "audio")


@contextmanager
def cs1_enable_summaries() -> Iterator[None]:
    """Within it summaries are written, as they are without it."""
    yield


@contextmanager
def cs1_disable_summaries() -> Iterator[None]:
    """Within it a model_fn's summaries of tf.compat.v1 make no operation."""
    import tensorflow as tf

    summary: Any = tf.compat.v1.summary
    before = {name: getattr(summary, name) for name in _WRITERS}
    for name in _WRITERS:
        setattr(summary, name, _nothing)
    try:
        yield
    finally:
        for name, function in before.items():
            setattr(summary, name, function)


def _nothing(*_: Any, **__: Any) -> None:
    return None


__all__ = ["cs1_disable_summaries", "cs1_enable_summaries"]
