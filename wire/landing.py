"""What happens to a column on arrival: the one place where a value is scaled and cast."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from wire.elements import Landing


def land(column: npt.NDArray[Any], landing: Landing | None, dtype: str | None = None) -> npt.NDArray[Any]:
    """Scale and cast a column: (rows, *shape) in any number dtype -> the same shape in `dtype`.

    `dtype` is what the consumer computes in; None keeps the landing's dtype. Without a landing only the cast is
    done. The values first take the landing's dtype, so float16 data rounds as float16 even for a float32 consumer.
    No copy is made where nothing changes.
    """
    landed = column if landing is None else _scaled(column, landing)
    return landed if dtype is None else landed.astype(dtype, copy=False)


def _scaled(column: npt.NDArray[Any], landing: Landing) -> npt.NDArray[Any]:
    if landing.scale == 1.0 and landing.offset == 0.0:
        return column.astype(landing.dtype, copy=False)
    out = np.multiply(column, np.float32(landing.scale), dtype=np.float32, casting="unsafe")
    np.add(out, np.float32(landing.offset), out=out)
    landed: npt.NDArray[Any] = out.astype(landing.dtype, copy=False)
    return landed
