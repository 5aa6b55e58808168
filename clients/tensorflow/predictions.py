"""Predictions, left in a file for later."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from wire.errors import Exhausted


def write(samples: Iterable[Any], path: Path) -> tuple[Path, int]:
    """Write samples to a NumPy .npz file, one array for each prediction; gives the path and how many they were.

    samples: dicts of arrays, or arrays, which are called "predictions". They are held in memory until the end.
    Raises Exhausted when the disk is full.
    """
    columns: dict[str, list[Any]] = {}
    count = 0
    for sample in samples:
        count += 1
        for name, value in (sample if isinstance(sample, Mapping) else {"predictions": sample}).items():
            columns.setdefault(name, []).append(value)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        arrays: dict[str, Any] = {name: np.stack(values) for name, values in columns.items()}
        np.savez(path, **arrays)
    except OSError as error:
        what = f"the predictions cannot be written: {error.strerror}"
        raise Exhausted(what, where=str(path), fix="make room, or choose another --model_dir") from error
    return path, count
