"""Records of one size, one after the other in a file."""

from __future__ import annotations

from pathlib import Path

import numpy as np

_BLOCK = 16 * 2**20


def write_records(path: Path, record_bytes: int, records: int) -> None:
    """Write so many records of noise, which no file system packs smaller; blocks of it repeat."""
    noise = np.random.default_rng(1).bytes(_BLOCK)
    left = record_bytes * records
    with path.open("wb") as file:
        while left > 0:
            left -= file.write(noise[:left] if left < _BLOCK else noise)
