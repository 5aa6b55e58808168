"""Plain TensorFlow, to compare with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

v1 = tf.compat.v1


class Plain:
    """The same model_fn in an ordinary session, from the same weights."""

    def __init__(self, model_fn: Any, element: Any, weights: dict[str, np.ndarray], mode: str = "train") -> None:
        with tf.Graph().as_default():
            place = lambda spec: v1.placeholder(spec.dtype, (8, *spec.shape[1:]))  # noqa: E731
            features, labels = tf.nest.map_structure(place, element)
            self._feeds = [*(features.values() if isinstance(features, dict) else [features]), labels]
            self.spec = model_fn(features, labels, mode)
            self.session = v1.Session()
            for variable in v1.global_variables():
                self.session.run(variable.assign(weights[variable.name.removesuffix(":0")]))

    def run(self, fetches: Any, batch: Sequence[np.ndarray]) -> Any:
        return self.session.run(fetches, dict(zip(self._feeds, batch, strict=True)))

    def train(self, batches: Sequence[Any]) -> list[float]:
        return [self.run([self.spec.loss, self.spec.train_op], batch)[0] for batch in batches]
