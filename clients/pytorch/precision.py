"""Mixed precision: matrix products in bfloat16; weights, gradients, soft-maxes and losses in float32.

One definition serves the captured graph, the CPU and the GPU, so that a model computes the same everywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - the name that everybody knows
from torch.overrides import TorchFunctionMode

IN_FLOAT32: frozenset[Callable[..., Any]] = frozenset(
    {
        *(torch.softmax, torch.log_softmax, torch.Tensor.softmax, torch.Tensor.log_softmax, F.softmax, F.log_softmax),
        *(torch.logsumexp, torch.Tensor.logsumexp),
        *(F.nll_loss, F.cross_entropy, F.mse_loss, F.l1_loss, F.smooth_l1_loss, F.huber_loss, F.kl_div),
        *(F.binary_cross_entropy, F.binary_cross_entropy_with_logits, F.poisson_nll_loss, F.gaussian_nll_loss),
        *(F.layer_norm, F.group_norm, F.batch_norm),
    }
)
"""Autocast on the CPU leaves these in bfloat16, autocast on a GPU does not; eight bits of mantissa are too few."""


class _WideReductions(TorchFunctionMode):
    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func in IN_FLOAT32:
            return func(*map(_widened, args), **{k: _widened(v) for k, v in (kwargs or {}).items()})
        return func(*args, **(kwargs or {}))


def _widened(value: Any) -> Any:
    narrow = isinstance(value, torch.Tensor) and value.dtype in (torch.bfloat16, torch.float16)
    return value.float() if narrow else value


@contextmanager
def mixed_precision(enabled: bool, device_type: str = "cpu") -> Iterator[None]:
    """Within it a forward pass runs in mixed precision; without `enabled` nothing changes."""
    if not enabled:
        yield
        return
    with torch.autocast(device_type, torch.bfloat16, cache_enabled=False), _WideReductions():
        yield


def arrived(tensor: torch.Tensor) -> torch.Tensor:
    """A tensor as the wafer casts it on arrival: floats to float32, whole numbers to int64, bool as it is."""
    if tensor.is_floating_point():
        return tensor.float()
    return tensor if tensor.dtype == torch.bool else tensor.long()
