"""What a model_fn is called for."""

from __future__ import annotations

from typing import Final


class ModeKeys:
    """The modes under the names, and with the values, of tf.estimator."""

    TRAIN: Final = "train"
    EVAL: Final = "eval"
    PREDICT: Final = "infer"


MODES = (ModeKeys.TRAIN, ModeKeys.EVAL, ModeKeys.PREDICT)
