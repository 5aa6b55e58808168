"""Rows that are kept in memory once they have been read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from streamer.columns import Table, freeze
from streamer.order import Rows
from streamer.sources import Out
from wire.elements import STRING, Column, ElementSpec


def size_in_memory(spec: ElementSpec, rows: int) -> int | None:
    """The bytes of so many rows; None where rows differ in size."""
    if any(field.ragged or field.dtype == STRING for field in spec.fields):
        return None
    return rows * sum(np.dtype(field.dtype).itemsize * field.size for field in spec.fields)


class KeptRows:
    """Rows of fixed size, each read when it is first asked for. Memory is taken as they come.

    read: gives the columns of rows, (n,) int64. What it raises is raised, and nothing is kept of that call. Several
    threads may ask at once: at worst a row is read twice, and is the same.
    """

    def __init__(self, spec: ElementSpec, rows: int, read: Callable[[Rows], dict[str, Column]]) -> None:
        self._read = read
        self._there = np.zeros(rows, dtype=bool)
        self._columns: dict[str, npt.NDArray[Any]] = {
            field.name: np.empty((rows, *field.shape), field.dtype) for field in spec.fields
        }
        self._table = Table({name: freeze(column.view()) for name, column in self._columns.items()})

    def gather(self, rows: Rows, out: Out | None = None) -> dict[str, Column]:
        """These rows, (n,) int64, of every column. They must exist. out: where columns may be written."""
        missing = rows[~self._there[rows]]
        if not len(missing):
            return self._table.gather(rows, out)
        read = self._read(missing)
        for name, column in self._columns.items():
            column[missing] = read[name]
        self._there[missing] = True
        return read if len(missing) == len(rows) else self._table.gather(rows, out)
