"""What happens to a column on arrival: the one place where a value is scaled and cast."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import numpy.typing as npt

from wire.elements import Landing

ALIGNMENT = 64
"""Landed columns begin at a multiple of this: what computes with them need not move them again."""

_BYTE_PAIRS = 1 << 16


def land(column: npt.NDArray[Any], landing: Landing | None, dtype: str | None = None) -> npt.NDArray[Any]:
    """Scale and cast a column: (rows, *shape) in any number dtype -> the same shape in `dtype`.

    `dtype` is what the consumer computes in; None keeps the landing's dtype. Without a landing only the cast is
    done. The values first take the landing's dtype, so float16 data rounds as float16 even for a float32 consumer.
    No copy is made where nothing changes.
    """
    if landing is None:
        return column if dtype is None else _cast(column, np.dtype(dtype))
    final = np.dtype(dtype or landing.dtype)
    if _is_looked_up(column, landing, final):
        return _looked_up(column, landing)
    return _cast(_scaled(column, landing), final)


def _scaled(column: npt.NDArray[Any], landing: Landing) -> npt.NDArray[Any]:
    if landing.scale == 1.0 and landing.offset == 0.0:
        return column.astype(landing.dtype, copy=False)
    out = _empty(column.shape, np.dtype(np.float32))
    np.multiply(column, np.float32(landing.scale), out=out, dtype=np.float32, casting="unsafe")
    np.add(out, np.float32(landing.offset), out=out)
    return out.astype(landing.dtype, copy=False)


def _cast(column: npt.NDArray[Any], dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    if column.dtype == dtype:
        return column
    out = _empty(column.shape, dtype)
    np.copyto(out, column, casting="unsafe")
    return out


def _empty(shape: tuple[int, ...], dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    size = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
    memory = np.empty(size + ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % ALIGNMENT
    return memory[start : start + size].view(dtype).reshape(shape)


def _is_looked_up(column: npt.NDArray[Any], landing: Landing, final: np.dtype[Any]) -> bool:
    """numpy rounds to float16 one number at a time; bytes have few values, so theirs are looked up instead."""
    pairs = column.dtype == np.uint8 and column.size % 2 == 0 and column.flags.c_contiguous
    return bool(pairs and landing.dtype == "float16" and final == np.float32)


def _looked_up(column: npt.NDArray[Any], landing: Landing) -> npt.NDArray[Any]:
    out = _empty(column.shape, np.dtype(np.float32))
    pairs = column.reshape(-1).view(np.uint16)
    np.take(_landed_pairs(landing), pairs, mode="clip", out=out.reshape(-1).view(np.complex64))
    return out


@functools.lru_cache(maxsize=64)
def _landed_pairs(landing: Landing) -> npt.NDArray[Any]:
    """What each pair of neighbouring bytes becomes, (65536,): two float32 in the place of one complex number."""
    values = _scaled(np.arange(_BYTE_PAIRS, dtype=np.uint16).view(np.uint8), landing)
    return values.astype(np.float32).view(np.complex64)
