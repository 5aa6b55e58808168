"""`cerebras.framework.torch.nn`: layers that marked padded sequences for the compiler of that time."""

from __future__ import annotations

from typing import Any

import torch


class _Same(torch.nn.Module):
    def forward(self, inputs: Any, *_: Any) -> Any:
        return inputs


class StripPadding(_Same):
    """Gives its input: nothing is computed otherwise for padding here."""


class RestorePadding(_Same):
    """Gives its input: nothing was stripped."""


__all__ = ["RestorePadding", "StripPadding"]
