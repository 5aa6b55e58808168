"""What samples were delivered, whatever their order: by this two systems are seen to have done the same work."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xxhash

_WORD = 1 << 64


@dataclass(frozen=True, slots=True)
class Digest:
    """count: samples. total: the sum of the hashes of each one's values, modulo 2**64."""

    count: int = 0
    total: int = 0

    def with_batch(self, columns: Sequence[Any]) -> Digest:
        """These samples too. columns: arrays of (n, ...) as the consumer computes with them, in one order for all."""
        if not len(columns[0]):
            return self
        rows = _bytes_of_rows(columns)
        total = sum(xxhash.xxh3_64_intdigest(row) for row in rows)
        return Digest(self.count + len(rows), (self.total + total) % _WORD)

    def __str__(self) -> str:
        return f"{self.count:,} samples, {self.total:016x}"


def _bytes_of_rows(columns: Sequence[Any]) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """(n, bytes of a sample): the values of a row of each column, one after the other."""
    arrays = [np.asarray(column) for column in columns]
    rows = len(arrays[0])
    return np.concatenate([np.ascontiguousarray(a).reshape(rows, -1).view(np.uint8) for a in arrays], axis=1)
