"""A bit for each row of a source: whether it came."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Bitmap = npt.NDArray[np.uint8]

SPREAD_BYTES = 1 << 22
"""A bitmap of up to so many rows is spread out to a byte a row while it is marked; of more, only what is touched."""

_BITS = (1 << np.arange(8)).astype(np.uint8)


def unmarked(rows: int) -> Bitmap:
    """No row came yet. Row r is bit r % 8 of byte r // 8."""
    return np.zeros((rows + 7) // 8, np.uint8)


def mark(bitmap: Bitmap, numbers: npt.NDArray[np.int64]) -> int:
    """Set the bits of these rows, (n,), one at least, in any order; how many were not set, each counted once."""
    return _spread(bitmap, numbers) if 8 * len(bitmap) <= SPREAD_BYTES else _touched(bitmap, numbers)


def _spread(bitmap: Bitmap, numbers: npt.NDArray[np.int64]) -> int:
    came = np.zeros(8 * len(bitmap), np.bool_)
    came[numbers] = True
    return _merge(bitmap, slice(None), np.packbits(came, bitorder="little"))


def _touched(bitmap: Bitmap, numbers: npt.NDArray[np.int64]) -> int:
    ordered = np.sort(numbers)
    places = ordered >> 3
    first = np.flatnonzero(np.concatenate(([True], places[1:] != places[:-1])))
    return _merge(bitmap, places[first], np.bitwise_or.reduceat(_BITS[ordered & 7], first))


def _merge(bitmap: Bitmap, where: slice | npt.NDArray[np.int64], bits: Bitmap) -> int:
    before = bitmap[where]
    fresh = int(np.bitwise_count(bits & ~before).sum(dtype=np.int64))
    bitmap[where] = before | bits
    return fresh
