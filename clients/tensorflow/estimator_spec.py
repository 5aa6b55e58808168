"""What a model_fn gives: the operations that train, evaluate or predict."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from clients.sources import calling_line
from clients.tensorflow.modes import MODES, ModeKeys
from wire.errors import InvalidInput, nearest

log = logging.getLogger("tensorflow")

NEEDED = {ModeKeys.TRAIN: ("loss", "train_op"), ModeKeys.EVAL: ("loss",), ModeKeys.PREDICT: ("predictions",)}


@dataclass(frozen=True, slots=True)
class EstimatorSpec:
    """The operations of one mode, under the names of tf.estimator.

    loss: a scalar tensor, the mean of a batch. train_op: updates the weights and counts the global step.
    predictions: a tensor or a dict of them, samples along the first axis. eval_metric_ops: name -> (value, update),
    or a Keras metric. scaffold: a tf.compat.v1.train.Scaffold of the user's own; its saver and init operations are
    kept. export_outputs is there for old code and has no effect: nothing is served from here.
    made_at: the user's line that made this.
    Raises InvalidInput for a mode that does not exist, for what the mode needs and is missing, and for metrics that
    are no metrics.
    """

    mode: str
    predictions: Any = None
    loss: Any = None
    train_op: Any = None
    eval_metric_ops: Mapping[str, Any] | None = None
    export_outputs: Any = field(default=None, repr=False)
    training_chief_hooks: Sequence[Any] | None = None
    training_hooks: Sequence[Any] | None = None
    scaffold: Any = None
    evaluation_hooks: Sequence[Any] | None = None
    prediction_hooks: Sequence[Any] | None = None
    made_at: str = field(default="", init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "made_at", calling_line())
        require_parts(self, "EstimatorSpec")
        if self.mode == ModeKeys.EVAL:
            _require_metrics(self.eval_metric_ops or {}, self.made_at or "EstimatorSpec")
        if self.export_outputs is not None:
            log.warning("EstimatorSpec.export_outputs has no effect: nothing is exported for serving")


def require_parts(spec: Any, name: str) -> None:
    """Raises InvalidInput for a spec without a mode, or without what its mode needs, or whose loss is no scalar."""
    where = spec.made_at or f"{name}(mode={spec.mode!r})"
    if spec.mode not in MODES:
        raise InvalidInput(f"there is no mode {spec.mode!r}", where=where, fix=nearest(str(spec.mode), MODES))
    for part in NEEDED[spec.mode]:
        if getattr(spec, part) is None:
            raise InvalidInput(f"mode {spec.mode} needs a {part}", where=where, fix=f"pass {part}=... in model_fn")
    shape = getattr(spec.loss, "shape", None)
    if shape is not None and shape.rank not in (0, None) and shape.num_elements() != 1:
        what = f"the loss has shape {tuple(shape.as_list())}, not one value"
        raise InvalidInput(what, where=where, fix="pass its mean: loss=tf.reduce_mean(losses)")


def _require_metrics(metrics: Mapping[str, Any], where: str) -> None:
    if not isinstance(metrics, Mapping):
        what = f"eval_metric_ops is a {type(metrics).__name__}, not a dict"
        raise InvalidInput(what, where=where, fix='write {"accuracy": tf.compat.v1.metrics.accuracy(...)}')
    for name, metric in metrics.items():
        pair = isinstance(metric, tuple | list) and len(metric) == 2
        if not pair and not (hasattr(metric, "result") and hasattr(metric, "updates")):
            what = f"the metric {name!r} is a {type(metric).__name__}, not a pair (value, update)"
            raise InvalidInput(what, where=where, fix="use a function of tf.compat.v1.metrics")
