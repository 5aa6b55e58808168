"""Operation names to functions: only what the kernel library allows, with random draws that belong to nobody else."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from wafer_sim.kernels.aten import KERNELS
from wafer_sim.runtime.fused_kernels import FUSED
from wafer_sim.runtime.simplify import CONTIGUOUS, DROPOUT
from wire.errors import Refused

Key = tuple[int, int, int]
"""(seed, step, replica): with the number of a node it fixes what that node draws."""

_LEVELS = 1 << 16
_MASK = (1 << 64) - 1

_DIRECT: Mapping[str, Callable[..., Any]] = {
    "aten.addmm.default": torch.addmm,
    "aten.mm.default": torch.mm,
    "aten.bmm.default": torch.bmm,
    "aten.add.Tensor": torch.add,
    "aten.sub.Tensor": torch.sub,
    "aten.mul.Tensor": torch.mul,
    "aten.div.Tensor": torch.div,
    "aten.neg.default": torch.neg,
    "aten.exp.default": torch.exp,
    "aten.relu.default": torch.relu,
    "aten.permute.default": torch.permute,
    "aten.unsqueeze.default": torch.unsqueeze,
    "aten.where.self": torch.where,
    "aten.view.default": Tensor.view,
    "aten.expand.default": Tensor.expand,
    "aten.squeeze.dims": torch.squeeze,
    "aten.sum.dim_IntList": torch.sum,
    "aten.embedding.default": torch.embedding,
    "aten.native_layer_norm.default": torch.native_layer_norm,
    "aten._softmax.default": torch._softmax,
    "aten._log_softmax.default": torch._log_softmax,
    "aten.erf.default": torch.erf,
    "aten.gather.default": torch.gather,
}
"""The same operations through their quicker binding; a call costs half as much."""


def function(op: str) -> tuple[Callable[..., Any], bool]:
    """The function of an operation, and whether it draws: then its first argument is a torch.Generator.

    Raises Refused for what is not in the kernel library.
    """
    if op in _OURS:
        return _OURS[op], op == DROPOUT
    if op not in KERNELS:
        raise Refused(f"the wafer has no kernel for {op}")
    if KERNELS[op].draws:
        return _DRAWING[op], True
    return _DIRECT.get(op) or overload(op), False


def overload(op: str) -> Any:
    """torch's own object for "aten.<name>.<overload>"; `op` has been found in the kernel library."""
    _, name, variant = op.split(".")
    return getattr(getattr(torch.ops.aten, name), variant)


def stream_seed(key: Key, number: int) -> int:
    """64 well-mixed bits, a pure function of (seed, step, replica, node number)."""
    state = 0
    for part in (*key, number):
        state = _mixed((state ^ (part & _MASK)) + 0x9E3779B97F4A7C15)
    return state


def _mixed(z: int) -> int:
    z &= _MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
    return z ^ (z >> 31)


def generator(key: Key | None, number: int) -> torch.Generator | None:
    """The generator of one node in one step of one replica; the global one is never touched.

    None where there is no key: such a run is on tensors without memory, and draws nothing.
    """
    if key is None:
        return None
    made = torch.Generator()
    made.manual_seed(stream_seed(key, number))
    return made


def _kept(gen: torch.Generator | None, shape: torch.Size, p: float) -> Tensor:
    """True with probability 1 - p, to 1/65536. Sixteen bits a number: five times quicker than Tensor.bernoulli_."""
    count = shape.numel()
    words = torch.empty((count + 3) // 4, dtype=torch.int64).random_(-(2**63), None, generator=gen)
    threshold = min(round(p * _LEVELS), _LEVELS - 1) - _LEVELS // 2
    return words.view(torch.int16)[:count].ge(threshold).view(shape)


def _native_dropout(gen: torch.Generator | None, x: Tensor, p: float, train: bool | None) -> tuple[Tensor, Tensor]:
    if not train or p == 0:
        return x, torch.ones_like(x, dtype=torch.bool)
    if p == 1:
        return torch.zeros_like(x), torch.zeros_like(x, dtype=torch.bool)
    kept = _kept(gen, x.shape, p)
    return x * kept * (1 / (1 - p)), kept


def _dropout(
    gen: torch.Generator | None, x: Tensor, p: float, dtype: torch.dtype, scale: float
) -> tuple[Tensor, Tensor]:
    if p in (0, 1):
        out, kept = _native_dropout(gen, x, p, True)
        return out, kept.to(dtype) * scale
    noise = _kept(gen, x.shape, p).to(dtype).mul_(scale)
    return x * noise if x.dtype == dtype else x * noise.to(x.dtype), noise


def _bernoulli(gen: torch.Generator | None, x: Tensor) -> Tensor:
    return torch.bernoulli(x, generator=gen)


def _bernoulli_p(gen: torch.Generator | None, x: Tensor, p: float) -> Tensor:
    return torch.empty_like(x).bernoulli_(p, generator=gen)


def _rand(gen: torch.Generator | None, size: list[int], dtype: torch.dtype | None = None) -> Tensor:
    return torch.rand(size, generator=gen, dtype=dtype)


def _randn(gen: torch.Generator | None, size: list[int], dtype: torch.dtype | None = None) -> Tensor:
    return torch.randn(size, generator=gen, dtype=dtype)


def _rand_like(gen: torch.Generator | None, x: Tensor, dtype: torch.dtype | None = None) -> Tensor:
    return torch.rand(x.shape, generator=gen, dtype=dtype or x.dtype)


def _randn_like(gen: torch.Generator | None, x: Tensor, dtype: torch.dtype | None = None) -> Tensor:
    return torch.randn(x.shape, generator=gen, dtype=dtype or x.dtype)


def _contiguous(x: Tensor, memory_format: torch.memory_format = torch.preserve_format) -> Tensor:
    """A copy, where one is needed: nothing is written to, so only the layout of memory could tell them apart."""
    if memory_format is torch.preserve_format:
        return x if x.is_contiguous() else x.clone()
    return x.contiguous(memory_format=memory_format)


def _cast(x: Tensor, dtype: torch.dtype | None = None) -> Tensor:
    return _contiguous(x) if dtype is None or dtype is x.dtype else x.to(dtype)


def _max_pool2d_backward(grad: Tensor, x: Tensor, *sizes: Any) -> Tensor:
    """Torch trusts the indices; a program's need not come from the forward pass."""
    indices = sizes[-1]
    inside = indices.is_meta or not indices.numel() or 0 <= int(indices.min()) <= int(indices.max()) < _area(x)
    if grad.shape != indices.shape or not inside:
        raise IndexError("the indices of a max pooling do not belong to its input")
    made: Tensor = torch.ops.aten.max_pool2d_with_indices_backward.default(grad, x, *sizes)
    return made


def _index(x: Tensor, indices: list[Tensor | None]) -> Tensor:
    """A mask as index would give a shape that depends on the data."""
    if any(index is not None and index.dtype in (torch.bool, torch.uint8) for index in indices):
        raise TypeError("a mask is no index here: its result's shape would depend on the data; use torch.where")
    made: Tensor = torch.ops.aten.index.Tensor(x, indices)
    return made


def _area(x: Tensor) -> int:
    return x.shape[-1] * x.shape[-2]


_DRAWING: Mapping[str, Callable[..., Any]] = {
    "aten.native_dropout.default": _native_dropout,
    "aten.bernoulli.default": _bernoulli,
    "aten.bernoulli.p": _bernoulli_p,
    "aten.rand.default": _rand,
    "aten.randn.default": _randn,
    "aten.rand_like.default": _rand_like,
    "aten.randn_like.default": _randn_like,
}

_OURS: Mapping[str, Callable[..., Any]] = {
    **FUSED,
    DROPOUT: _dropout,
    CONTIGUOUS: _contiguous,
    "aten._to_copy.default": _cast,
    "aten.index.Tensor": _index,
    "aten.max_pool2d_with_indices_backward.default": _max_pool2d_backward,
}
