"""Synthetic data: any spec, any number of rows, a pure function of the seed and the row number."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from streamer.columns import check_rows, take
from streamer.order import Rows, key_of, mix
from streamer.sources import Out
from wire.elements import STRING, Column, ElementSpec, Field, Ragged

_TABLE = 1024
_LONGEST = 8
_CLASSES = 10


class SyntheticSource:
    """Rows that nobody stored. Arrays repeat one of 1024 samples, chosen by row; scalars differ row by row.

    Values: floats in [0, 1); a scalar integer in 0 .. 9, fit to be a label; other integers over 0 .. 127; strings
    "row <n>"; lists of up to 8 items.
    """

    random = False

    def __init__(self, spec: ElementSpec, rows: int, seed: int = 0) -> None:
        self.spec = spec
        self.blocks: tuple[int, ...] = (rows,)
        self._rows = rows
        self._keys = [np.uint64(key_of(seed, number)) for number in range(len(spec.fields))]
        self._tables = {
            field.name: _table(field, key_of(seed, number, 1))
            for number, field in enumerate(spec.fields)
            if field.shape
        }

    def __len__(self) -> int:
        return self._rows

    def gather(self, rows: Rows) -> dict[str, Column]:
        """Samples of these rows, (n,) int64. Raises IndexError for a row that is not there."""
        return self.gather_into(rows, {})

    def gather_into(self, rows: Rows, out: Out) -> dict[str, Column]:
        """As `gather`, to these arrays."""
        check_rows(rows, self._rows)
        return {
            field.name: self._column(field, rows, key, out.get(field.name))
            for field, key in zip(self.spec.fields, self._keys, strict=True)
        }

    def describe(self) -> str:
        return f"synthetic data, {self._rows:,} rows"

    def where(self, row: int) -> str:
        return f"synthetic row {row}"

    def _column(self, field: Field, rows: Rows, key: np.uint64, to: npt.NDArray[Any] | None) -> Column:
        draws = _draws(rows, key)
        if not field.ragged:
            return self._items(field, rows, draws, to)
        lengths = ((draws >> np.uint64(40)) % np.uint64(_LONGEST + 1)).astype(np.int64)
        offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])
        owners = np.repeat(rows, lengths)
        inside = np.arange(len(owners)) - np.repeat(offsets[:-1], lengths)
        return Ragged(np.asarray(self._items(field, owners, _draws(owners * _LONGEST + inside, key))), offsets)

    def _items(
        self, field: Field, rows: Rows, draws: npt.NDArray[np.uint64], to: npt.NDArray[Any] | None = None
    ) -> Column:
        if field.shape and field.dtype != STRING:
            return take(self._tables[field.name], (draws % np.uint64(_TABLE)).astype(np.int64), to)
        if field.dtype == STRING:
            text = np.array([f"row {row}" for row in rows.tolist()], dtype=object)
            return np.repeat(text, field.size).reshape(len(rows), *field.shape)
        return _values(draws, field.dtype, _CLASSES)


def _draws(rows: Rows, key: np.uint64) -> npt.NDArray[np.uint64]:
    values = rows.astype(np.uint64) * np.uint64(mix(int(key)) | 1) + key
    values ^= values >> np.uint64(31)
    values *= np.uint64(0xBF58476D1CE4E5B9)
    return values ^ (values >> np.uint64(29))


def _table(field: Field, key: int) -> npt.NDArray[Any]:
    numbers = np.arange(_TABLE * field.size, dtype=np.int64)
    dtype = "uint8" if field.dtype == STRING else field.dtype
    return _values(_draws(numbers, np.uint64(key)), dtype, 128).reshape(_TABLE, *field.shape)


def _values(draws: npt.NDArray[np.uint64], dtype: str, below: int) -> npt.NDArray[Any]:
    kind = np.dtype(dtype)
    if kind.kind == "f":
        return ((draws >> np.uint64(54)).astype(np.float64) / (1 << 10)).astype(kind)
    return ((draws >> np.uint64(32)) % np.uint64(2 if kind.kind == "b" else below)).astype(kind)
