"""`tf.keras.mixed_precision.experimental`: a policy that takes loss_scale, and set_policy."""

from __future__ import annotations

import logging
from typing import Any

import tf_keras

log = logging.getLogger("compat")

global_policy = tf_keras.mixed_precision.global_policy
set_policy = tf_keras.mixed_precision.set_global_policy


class Policy(tf_keras.mixed_precision.Policy):  # type: ignore[misc]  # tf_keras has no types
    """Of today, with the argument that it had. loss_scale: None; another one belongs to the optimizer now."""

    def __init__(self, name: str, loss_scale: Any = None) -> None:
        super().__init__(name)
        if loss_scale is not None:
            log.warning("Policy(loss_scale=%r) has no effect: give the optimizer a loss scale", loss_scale)


__all__ = ["Policy", "global_policy", "set_policy"]
