"""What a model's `__call__` has to give."""

from __future__ import annotations

from typing import Any

import torch

from wire.errors import InvalidInput


def scalar_loss(loss: Any) -> torch.Tensor:
    """The loss as a float32 scalar. Raises InvalidInput for anything that is none."""
    if not isinstance(loss, torch.Tensor) or loss.numel() != 1:
        got = f"a tensor of shape {tuple(loss.shape)}" if isinstance(loss, torch.Tensor) else f"a {type(loss).__name__}"
        raise InvalidInput(f"the model returned {got}", where="__call__", fix="return the mean loss, a scalar tensor")
    return (loss if loss.dim() == 0 else loss.reshape(())).float()
