"""Optimizers that tf.compat.v1.train does not have."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import tensorflow as tf


class AdamW(tf.compat.v1.train.AdamOptimizer):  # type: ignore[misc] # TensorFlow has no types
    """Adam with decoupled weight decay: besides Adam's step, weight -= learning_rate * weight_decay_rate * weight.

    exclude_from_weight_decay: regular expressions; variables whose names one of them is found in do not decay.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - as the optimizers of TensorFlow
        self,
        learning_rate: Any = 0.001,
        weight_decay_rate: float = 0.0,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-6,
        exclude_from_weight_decay: Iterable[str] | None = None,
        use_locking: bool = False,
        name: str = "AdamW",
    ) -> None:
        super().__init__(learning_rate, beta1, beta2, epsilon, use_locking=use_locking, name=name)
        self._weight_decay_rate = weight_decay_rate
        self._exclude = tuple(re.compile(pattern) for pattern in exclude_from_weight_decay or ())

    def _apply_dense(self, grad: Any, var: Any) -> Any:
        with tf.control_dependencies([self._decay(var)]):
            return super()._apply_dense(grad, var)

    def _resource_apply_dense(self, grad: Any, var: Any) -> Any:
        with tf.control_dependencies([self._decay(var)]):
            return super()._resource_apply_dense(grad, var)

    def _apply_sparse_shared(self, grad: Any, var: Any, indices: Any, scatter_add: Any) -> Any:
        with tf.control_dependencies([self._decay(var)]):
            return super()._apply_sparse_shared(grad, var, indices, scatter_add)

    def _decay(self, var: Any) -> Any:
        """Takes the weight's own share off it; Adam's step, which does not read the weight, follows."""
        if not self._weight_decay_rate or any(pattern.search(var.op.name) for pattern in self._exclude):
            return tf.no_op()
        rate = tf.cast(self._lr_t, var.dtype.base_dtype) * self._weight_decay_rate
        return var.assign_sub(rate * var, use_locking=self._use_locking)
