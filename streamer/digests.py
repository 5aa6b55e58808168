"""What a batch is, as 64 bits: of its row numbers where they say it all, else of its values."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from streamer.order import Rows
from wire.elements import Batch, Column, Ragged
from wire.history import digest_of


def rows_digest(rows: Rows) -> int:
    """The digest of a batch that is a pure function of its row numbers, (n,) int64."""
    return digest_of(np.ascontiguousarray(rows, "<i8").data)


def values_digest(batch: Batch) -> int:
    """The digest of a batch's values, field after field; numbers, strings and ragged lists."""
    return digest_of(*(part for column in batch.values() for part in _parts(column)))


def _parts(column: Column) -> Iterator[bytes | memoryview]:
    if isinstance(column, Ragged):
        yield np.ascontiguousarray(column.offsets).data
        column = column.values
    if column.dtype == object:
        yield from _text(column)
    else:
        yield np.ascontiguousarray(column).data


def _text(values: npt.NDArray[Any]) -> Iterator[bytes | memoryview]:
    texts = [str(value).encode("utf-8", "surrogatepass") for value in values.reshape(-1)]
    yield np.array([len(text) for text in texts], np.int64).data
    yield b"".join(texts)
