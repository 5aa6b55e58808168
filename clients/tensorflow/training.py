"""train_and_evaluate: training with an evaluation at its checkpoints, off the system."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from clients.tensorflow.calls import InputFn
from clients.tensorflow.estimator import CerebrasEstimator
from clients.tensorflow.plain_checkpoints import step_of
from clients.tensorflow.run_config import CSRunConfig
from wire.errors import Refused


@dataclass(frozen=True, slots=True)
class TrainSpec:
    """How to train. max_steps: the last step; None: to the end of the input."""

    input_fn: InputFn
    max_steps: int | None = None
    hooks: Sequence[Any] | None = None
    saving_listeners: Sequence[Any] | None = None


@dataclass(frozen=True, slots=True)
class EvalSpec:
    """How to evaluate. steps: batches, None for all of the input.

    start_delay_secs, throttle_secs: for old code; an evaluation follows when its steps were trained.
    """

    input_fn: InputFn
    steps: int | None = 100
    name: str | None = None
    hooks: Sequence[Any] | None = None
    start_delay_secs: int = 120
    throttle_secs: int = 600


def train_and_evaluate(
    estimator: CerebrasEstimator, train_spec: TrainSpec, eval_spec: EvalSpec
) -> dict[str, Any] | None:
    """Train, and evaluate every save_checkpoints_steps steps and at the end; gives the last metrics.

    Without save_checkpoints_steps or max_steps it evaluates at the end only. The input begins anew after each
    evaluation. None where max_steps had been reached before and nothing was evaluated. Raises Refused for an
    estimator on the system.
    """
    config = estimator.config
    if isinstance(config, CSRunConfig) and config.cs_ip:
        what = "train_and_evaluate runs off the system only"
        raise Refused(what, where="cs_ip", fix="call train(...), then evaluate(...)")
    last, every = train_spec.max_steps, config.save_checkpoints_steps
    step, metrics = _step(estimator), None
    while last is None or step < last:
        until = last if last is None or not every else min(last, step + every)
        metrics = _round(estimator, train_spec, eval_spec, until)
        begun, step = step, _step(estimator)
        if last is None or step == begun:
            break
    return metrics


def _round(estimator: CerebrasEstimator, train: TrainSpec, evaluation: EvalSpec, until: int | None) -> dict[str, Any]:
    listeners = train.saving_listeners
    estimator.train(train.input_fn, hooks=train.hooks, max_steps=until, saving_listeners=listeners, use_cs=False)
    return estimator.evaluate(
        evaluation.input_fn, steps=evaluation.steps, hooks=evaluation.hooks, name=evaluation.name, use_cs=False
    )


def _step(estimator: CerebrasEstimator) -> int:
    newest = estimator.latest_checkpoint()
    return 0 if newest is None else step_of(newest)
