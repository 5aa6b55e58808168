"""Mixed precision: activations in float16 or bfloat16; weights, gradients, soft-maxes and losses in float32.

One definition serves the captured graph, the CPU and the GPU. How the wafer computes float16 is decided where it is
computed (wafer_sim/runtime/precision.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - the name that everybody knows
from torch.overrides import TorchFunctionMode

from wire.errors import InvalidInput

IN_FLOAT32: frozenset[Callable[..., Any]] = frozenset(
    {
        *(torch.softmax, torch.log_softmax, torch.Tensor.softmax, torch.Tensor.log_softmax, F.softmax, F.log_softmax),
        *(torch.logsumexp, torch.Tensor.logsumexp),
        *(F.nll_loss, F.cross_entropy, F.mse_loss, F.l1_loss, F.smooth_l1_loss, F.huber_loss, F.kl_div),
        *(F.binary_cross_entropy, F.binary_cross_entropy_with_logits, F.poisson_nll_loss, F.gaussian_nll_loss),
        *(F.layer_norm, F.group_norm, F.batch_norm),
    }
)
"""Autocast on the CPU leaves these narrow, autocast on a GPU does not; eleven or eight bits of mantissa are too few."""


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


@dataclass(frozen=True, slots=True)
class Precision:
    """What the `model` section asks for. emulate_float16: with float16's rounding and range, also where it is slow."""

    mixed: bool = True
    use_bfloat16: bool = False
    emulate_float16: bool = False

    def __post_init__(self) -> None:
        """Raises InvalidInput for an emulation of what is not there."""
        if self.emulate_float16 and (self.use_bfloat16 or not self.mixed):
            what = "emulate_float16 is True, but nothing is float16"
            fix = "set model.mixed_precision: True and leave out model.use_bfloat16"
            raise InvalidInput(what, where="model.emulate_float16", fix=fix)

    @classmethod
    def of(cls, section: Mapping[str, Any]) -> Precision:
        """The precision of a `model` section. Raises InvalidInput."""
        return cls(*(bool(section.get(key, default)) for key, default in _KEYS.items()))

    @property
    def narrow(self) -> torch.dtype | None:
        """The dtype of activations on the wafer; None where precision is not mixed."""
        if not self.mixed:
            return None
        return torch.bfloat16 if self.use_bfloat16 else torch.float16

    def off_the_wafer(self, device_type: str) -> torch.dtype | None:
        """The same in plain PyTorch. A CPU computes float16 in float32, as the wafer does, unless it is emulated."""
        in_float32 = device_type == "cpu" and not self.emulate_float16
        return None if self.narrow is torch.float16 and in_float32 else self.narrow


_KEYS = {"mixed_precision": True, "use_bfloat16": False, "emulate_float16": False}


@contextmanager
def mixed_precision(narrow: torch.dtype | None, device_type: str = "cpu") -> Iterator[None]:
    """Within it a forward pass runs in mixed precision; nothing changes for None."""
    if narrow is None:
        yield
        return
    with torch.autocast(device_type, narrow, cache_enabled=False), _WideReductions():
        yield


def arrived(tensor: torch.Tensor) -> torch.Tensor:
    """A tensor as the wafer casts it on arrival: floats to float32, whole numbers to int64, bool as it is."""
    if tensor.is_floating_point():
        return tensor.float()
    return tensor if tensor.dtype == torch.bool else tensor.long()
