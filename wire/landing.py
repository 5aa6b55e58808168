"""What happens to a column on arrival: the one place where a value is scaled and cast."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import numpy.typing as npt

from wire.elements import Landing

ALIGNMENT = 64
"""Landed columns begin at a multiple of this: what computes with them need not move them again."""

_PIECE = 1 << 15
_SPLITTER = np.float32(2**13 + 1)  # float32 has 13 bits of mantissa more than float16


def land(column: npt.NDArray[Any], landing: Landing | None, dtype: str | None = None) -> npt.NDArray[Any]:
    """Scale and cast a column: (rows, *shape) in any number dtype -> the same shape in `dtype`.

    `dtype` is what the consumer computes in; None keeps the landing's dtype. Without a landing only the cast is
    done. The values first take the landing's dtype, so float16 data rounds as float16 even for a float32 consumer.
    No copy is made where nothing changes.
    """
    if landing is None:
        return column if dtype is None else _cast(column, np.dtype(dtype))
    final = np.dtype(dtype or landing.dtype)
    if _splits(column, landing, final):
        return _split(column, landing)
    return _cast(_scaled(column, landing), final)


def _scaled(column: npt.NDArray[Any], landing: Landing) -> npt.NDArray[Any]:
    if landing.scale == 1.0 and landing.offset == 0.0:
        return column.astype(landing.dtype, copy=False)
    out = _empty(column.shape, np.dtype(np.float32))
    _scale(column, landing, out)
    return out.astype(landing.dtype, copy=False)


def _scale(column: npt.NDArray[Any], landing: Landing, out: npt.NDArray[Any]) -> None:
    np.copyto(out, column, casting="unsafe")
    np.multiply(out, np.float32(landing.scale), out=out)
    np.add(out, np.float32(landing.offset), out=out)


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


def _splits(column: npt.NDArray[Any], landing: Landing, final: np.dtype[Any]) -> bool:
    """Whether a column may be rounded to float16 by `_split`: bytes that are computed with as float32."""
    if column.dtype != np.uint8 or not column.flags.c_contiguous:
        return False
    return landing.dtype == "float16" and final == np.float32 and _all_bytes_split(landing)


@functools.lru_cache(maxsize=64)
def _all_bytes_split(landing: Landing) -> bool:
    every = np.arange(256, dtype=np.uint8)
    return bool(np.array_equal(_split(every, landing), _scaled(every, landing).astype(np.float32)))


def _split(column: npt.NDArray[Any], landing: Landing) -> npt.NDArray[Any]:
    """Round to the 11 bits of a float16 in float32 arithmetic: Veltkamp's splitting, a piece at a time in the cache.

    It knows nothing of the small exponents of float16; `_all_bytes_split` tells where that matters.
    """
    out = _empty(column.shape, np.dtype(np.float32))
    flat, values = column.reshape(-1), out.reshape(-1)
    high = np.empty(min(_PIECE, flat.size), np.float32)
    for start in range(0, flat.size, _PIECE):
        piece = values[start : start + _PIECE]
        _scale(flat[start : start + _PIECE], landing, piece)
        above = high[: piece.size]
        np.multiply(piece, _SPLITTER, out=above)
        np.subtract(piece, above, out=piece)
        np.add(piece, above, out=piece)
    return out
