"""What a TensorFlow project as CSoft users write it imports. Nothing is loaded before it is asked for."""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

from clients.ending import quiet_ctrl_c
from wire.staying import leave_as_it_is, staying

if TYPE_CHECKING:
    from clients.tensorflow.cs_estimator_spec import CSEstimatorSpec as CSEstimatorSpec
    from clients.tensorflow.estimator import CerebrasEstimator as CerebrasEstimator
    from clients.tensorflow.estimator_spec import EstimatorSpec as EstimatorSpec
    from clients.tensorflow.host_call import host_call_to_eval_metric_ops as host_call_to_eval_metric_ops
    from clients.tensorflow.host_call import validate_host_call as validate_host_call
    from clients.tensorflow.modes import ModeKeys as ModeKeys
    from clients.tensorflow.optimizers import AdamW as AdamW
    from clients.tensorflow.run_config import CSRunConfig as CSRunConfig
    from clients.tensorflow.run_config import RunConfig as RunConfig
    from clients.tensorflow.runner import run as run
    from clients.tensorflow.training import EvalSpec as EvalSpec
    from clients.tensorflow.training import TrainSpec as TrainSpec
    from clients.tensorflow.training import train_and_evaluate as train_and_evaluate
    from clients.tensorflow.warm_start import WarmStartSettings as WarmStartSettings

_HOMES = {
    "AdamW": "optimizers",
    "CSEstimatorSpec": "cs_estimator_spec",
    "CSRunConfig": "run_config",
    "CerebrasEstimator": "estimator",
    "EstimatorSpec": "estimator_spec",
    "EvalSpec": "training",
    "ModeKeys": "modes",
    "RunConfig": "run_config",
    "TrainSpec": "training",
    "WarmStartSettings": "warm_start",
    "host_call_to_eval_metric_ops": "host_call",
    "run": "runner",
    "train_and_evaluate": "training",
    "validate_host_call": "host_call",
}

__all__ = [
    "AdamW",
    "CSEstimatorSpec",
    "CSRunConfig",
    "CerebrasEstimator",
    "EstimatorSpec",
    "EvalSpec",
    "ModeKeys",
    "RunConfig",
    "TrainSpec",
    "WarmStartSettings",
    "host_call_to_eval_metric_ops",
    "run",
    "train_and_evaluate",
    "validate_host_call",
]

# tf.keras is the Keras of CSoft's time, with layers that live in graphs, where the user did not choose otherwise.
os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    with staying():
        if name == "run":  # the project's own files import it next
            import_module("tensorflow")
        found = globals()[name] = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    return found


# Ctrl-C while TensorFlow is still being imported, before run() could see it.
quiet_ctrl_c()
leave_as_it_is()
