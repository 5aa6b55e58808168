"""Defaults of the FC-MNIST params."""

from typing import Any

DEFAULTS: dict[str, dict[str, Any]] = {
    "train_input": {"shuffle": True, "batch_size": 256, "num_parallel_calls": 0},
    "model": {"dropout": 0.0, "activation_fn": "relu", "mixed_precision": False},
    "optimizer": {"optimizer_type": "adam", "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8},
}


def set_defaults(params: dict[str, Any]) -> dict[str, Any]:
    """Fill in what a params file may leave out."""
    for section, defaults in DEFAULTS.items():
        params[section] = {**defaults, **params.get(section, {})}
    return params
