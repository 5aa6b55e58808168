"""Which of a model's outputs is the loss."""

from __future__ import annotations

from typing import Any

import torch

from wire.errors import InvalidInput


def loss_among(outputs: Any) -> Any:
    """The outputs themselves, the first of several, or their `.loss`. Raises InvalidInput where none is there."""
    if isinstance(outputs, torch.Tensor):
        return outputs
    if isinstance(outputs, list | tuple) and outputs:
        return outputs[0]
    if hasattr(outputs, "loss"):
        return outputs.loss
    what = f"the model gives a {type(outputs).__name__}, in which no loss is found"
    raise InvalidInput(what, where="the model", fix="return the loss, or (loss, ...)")
