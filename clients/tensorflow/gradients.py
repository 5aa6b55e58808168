"""Where replicas are reduced: every gradient passes a placeholder on its way out of `compute_gradients`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import tensorflow as tf

_Optimizer: Any = tf.compat.v1.train.Optimizer


@dataclass(frozen=True, slots=True)
class Cut:
    """One gradient. variable: whose. made: what one replica makes, dense. taken: the placeholder for their mean."""

    variable: Any
    made: Any
    taken: Any


@dataclass(frozen=True, slots=True)
class Seen:
    """What a model_fn did with optimizers: the gradients in the order they were made, and the optimizers."""

    cuts: list[Cut] = field(default_factory=list)
    optimizers: list[Any] = field(default_factory=list)


@contextmanager
def gradients_seen(graph: Any) -> Iterator[Seen]:
    """While open, the gradients of every optimizer in this graph pass a placeholder_with_default of their own value.

    A wrapper that clips or scales after `compute_gradients` works on what the placeholder gives; one that calls an
    inner optimizer's is met there. So the graph trains as before, and can be cut at the placeholders.
    """
    seen = Seen()
    compute, construct = _Optimizer.compute_gradients, _Optimizer.__init__

    def compute_gradients(self: Any, *args: Any, **kwargs: Any) -> list[tuple[Any, Any]]:
        pairs = compute(self, *args, **kwargs)
        if tf.compat.v1.get_default_graph() is not graph:
            return list(pairs)
        return [(None if gradient is None else _cut(gradient, v, seen.cuts), v) for gradient, v in pairs]

    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:  # noqa: N807 - it stands in for the class's own
        construct(self, *args, **kwargs)
        seen.optimizers.append(self)

    _Optimizer.compute_gradients, _Optimizer.__init__ = compute_gradients, __init__
    try:
        yield seen
    finally:
        _Optimizer.compute_gradients, _Optimizer.__init__ = compute, construct


def _cut(gradient: Any, variable: Any, cuts: list[Cut]) -> Any:
    made = _dense(gradient, variable)
    name = f"{variable.op.name}/reduced"
    taken = tf.compat.v1.placeholder_with_default(made, variable.shape, name=name.replace(":", "_"))
    cuts.append(Cut(variable, made, taken))
    return taken


def _dense(gradient: Any, variable: Any) -> Any:
    if not isinstance(gradient, tf.IndexedSlices):
        return gradient
    return tf.math.unsorted_segment_sum(gradient.values, gradient.indices, variable.shape[0])
