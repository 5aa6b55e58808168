"""Defaults of the FC-MNIST params."""

from typing import Any


def set_defaults(params: dict[str, Any]) -> dict[str, Any]:
    """Fill in what a params file may leave out."""
    train_input = params.setdefault("train_input", {})
    for key, value in {"shuffle": True, "batch_size": 256, "num_parallel_calls": 0}.items():
        train_input.setdefault(key, value)
    model = params.setdefault("model", {})
    for key, value in {"dropout": 0.0, "activation_fn": "relu", "mixed_precision": False}.items():
        model.setdefault(key, value)
    optimizer = params.setdefault("optimizer", {})
    for key, value in {"optimizer_type": "adam", "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8}.items():
        optimizer.setdefault(key, value)
    return params
