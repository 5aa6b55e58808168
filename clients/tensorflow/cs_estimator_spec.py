"""What a model_fn for the system gives."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from clients.sources import calling_line
from clients.tensorflow.estimator_spec import EstimatorSpec, require_parts
from clients.tensorflow.host_call import host_call_to_eval_metric_ops, validate_host_call
from clients.tensorflow.modes import ModeKeys
from wire.findings import located


@dataclass(frozen=True, slots=True)
class CSEstimatorSpec:
    """The operations of one mode, with what the host computes beside the system.

    host_call: (fn, [tensors]); fn runs on the host with the tensors' values. In evaluation it gives a dict of
    metrics; in training what it writes are summaries. loss, train_op, predictions: as in EstimatorSpec.
    made_at: the user's line that made this.
    Raises InvalidInput for what is missing in the mode, or a host_call that is none.
    """

    mode: str
    host_call: tuple[Any, list[Any]] | None = None
    loss: Any = None
    train_op: Any = None
    predictions: Any = None
    made_at: str = field(default="", init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "made_at", calling_line())
        require_parts(self, "CSEstimatorSpec")
        if self.host_call is not None:
            with located(self.made_at or "host_call"):
                validate_host_call(self.host_call)

    def as_estimator_spec(self) -> EstimatorSpec:
        """The same off the system: the host call becomes operations of the graph that is the default one now."""
        metrics = None
        if self.host_call is not None and self.mode == ModeKeys.EVAL:
            metrics = host_call_to_eval_metric_ops(self.host_call)
        elif self.host_call is not None and self.mode == ModeKeys.TRAIN:
            call, tensors = self.host_call
            call(*tensors)
        return EstimatorSpec(
            mode=self.mode,
            loss=self.loss,
            train_op=self.train_op,
            predictions=self.predictions,
            eval_metric_ops=metrics,
        )
