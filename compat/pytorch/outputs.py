"""`cerebras.framework.torch.utils`: the loss among a model's outputs."""

from __future__ import annotations

from typing import Any

from compat.pytorch import loop
from compat.pytorch.loss import loss_among


def extract_loss(model_outputs: Any) -> Any:
    """The loss: the outputs themselves, the first of several, or their `.loss`. Raises InvalidInput.

    In a loop on the system it holds the system's value.
    """
    return loop.CURRENT.mark_loss(loss_among(model_outputs))


__all__ = ["extract_loss"]
