"""What happens to a column on arrival: the one place where a value is scaled and cast."""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from wire.elements import Landing

_BLOCK = 1 << 17
"""Values that are scaled at a time: they stay in a core's cache from one operation to the next."""
ALIGNMENT = 64
"""Landed columns begin at a multiple of this: what computes with them need not move them again."""


def land(column: npt.NDArray[Any], landing: Landing | None, dtype: str | None = None) -> npt.NDArray[Any]:
    """Scale and cast a column: (rows, *shape) in any number dtype -> the same shape in `dtype`.

    `dtype` is what the consumer computes in; None keeps the landing's dtype. Without a landing only the cast is
    done. The values first take the landing's dtype, so float16 data rounds as float16 even for a float32 consumer.
    What has landed is memory of its own, whatever becomes of the message or the shared memory that it came in.
    """
    final = np.dtype(dtype or (landing.dtype if landing else column.dtype))
    if landing is None:
        return _cast(column, final)
    if column.dtype == np.uint8 and final != np.bool_ and "float16" in (landing.dtype, final.name):
        return _looked_up(column, _table(landing, final.name))
    scaled = _scaled(column, landing)
    return _cast(scaled, final) if scaled is column or scaled.dtype != final else scaled


def _scaled(column: npt.NDArray[Any], landing: Landing) -> npt.NDArray[Any]:
    dtype = np.dtype(landing.dtype)
    if landing.scale == 1.0 and landing.offset == 0.0:
        return column if column.dtype == dtype else _cast(column, dtype)
    out = empty(column.shape, np.dtype(np.float32))
    flat, values = out.reshape(-1), np.ascontiguousarray(column).reshape(-1)
    for start in range(0, len(flat), _BLOCK):
        _scale(flat[start : start + _BLOCK], values[start : start + _BLOCK], landing)
    return out if out.dtype == dtype else _cast(out, dtype)


def _scale(out: npt.NDArray[np.float32], values: npt.NDArray[Any], landing: Landing) -> None:
    np.copyto(out, values, casting="unsafe")
    np.multiply(out, np.float32(landing.scale), out=out)
    if not (landing.offset == 0.0 and landing.scale > 0.0 and values.dtype.kind == "u"):  # 0 adds nothing
        np.add(out, np.float32(landing.offset), out=out)


def _cast(column: npt.NDArray[Any], dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    out = empty(column.shape, dtype)
    np.copyto(out, column, casting="unsafe")
    return out


def empty(shape: tuple[int, ...], dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    """An array of Arrow's allocator: it begins at a multiple of ALIGNMENT, in memory that was used before, if it can.

    Memory that is new to the process costs more than what is written to it.
    """
    count = math.prod(shape)
    return np.frombuffer(pa.allocate_buffer(count * dtype.itemsize), dtype, count).reshape(shape)


@functools.lru_cache(maxsize=64)
def _table(landing: Landing, dtype: str) -> pa.Array:
    """What each of the 256 bytes lands as."""
    return pa.array(_cast(_scaled(np.arange(256, dtype=np.uint8), landing), np.dtype(dtype)))


def _looked_up(column: npt.NDArray[Any], table: pa.Array) -> npt.NDArray[Any]:
    """One call that holds no interpreter lock, on memory that Arrow's allocator keeps for the next one."""
    values = pc.take(table, pa.array(column.reshape(-1)), boundscheck=False).buffers()[1]
    return np.frombuffer(values, table.type.to_pandas_dtype(), column.size).reshape(column.shape)
