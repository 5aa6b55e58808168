"""Defaults of the FC-MNIST params."""

from typing import Any


def set_defaults(params: dict[str, Any]) -> dict[str, Any]:
    """Fill in what a params file may leave out."""
    params.setdefault("train_input", {}).setdefault("shuffle", True)
    params.setdefault("eval_input", {}).setdefault("shuffle", False)
    model = params.setdefault("model", {})
    for key, value in {"to_float16": False, "dropout": 0.0, "activation_fn": "relu", "mixed_precision": True}.items():
        model.setdefault(key, value)
    return params
