"""`cerebras.framework.torch.core.modes`."""

from __future__ import annotations

TRAIN = "train"
EVAL = "eval"
TRAIN_AND_EVAL = "train_and_eval"
INFERENCE = "inference"


def get_modes() -> tuple[str, ...]:
    """All of them."""
    return TRAIN, EVAL, TRAIN_AND_EVAL, INFERENCE


def is_valid(mode: str) -> bool:
    """Whether there is such a mode."""
    return mode in get_modes()


__all__ = ["EVAL", "INFERENCE", "TRAIN", "TRAIN_AND_EVAL", "get_modes", "is_valid"]
