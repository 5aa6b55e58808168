"""Packed sequences: the documents of a source, one after the other, cut into samples of one length."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from streamer.columns import check_rows
from streamer.order import Rows
from streamer.recipe_column import Pack
from streamer.sources import IndexedSource, Out
from streamer.sources.kept import KeptRows, size_in_memory
from streamer.stages.pad import check_holds
from wire.elements import STRING, Column, ElementSpec, Field, Ragged
from wire.errors import InvalidInput

MEMORY_BUDGET = 1 << 30
_AT_ONCE = 1 << 10


class Packed:
    """Sample i is the items i * to .. (i + 1) * to - 1 of all documents, in their order, each with `end` behind it.

    The last sample is filled with `end`. Opening it reads the lengths of all documents once; samples are kept in memory
    once they are made, if all of them fit into `memory_budget` bytes. source: has one column, of lists.
    Raises InvalidInput for another one, and what reading it raises.
    """

    random = False

    def __init__(self, source: IndexedSource, pack: Pack, memory_budget: int = MEMORY_BUDGET) -> None:
        self._source, self._pack = source, pack
        self._field = _documents(source.spec, pack)
        self._ends = np.cumsum([length + 1 for length in _lengths(source, self._field.name)], dtype=np.int64)
        self.blocks: tuple[int, ...] = (-(-int(self._ends[-1]) // pack.to),)
        self.spec = ElementSpec((Field(self._field.name, self._field.dtype, (pack.to,), landing=self._field.landing),))
        size = size_in_memory(self.spec, len(self))
        fits = size is not None and size <= memory_budget
        self._kept = KeptRows(self.spec, len(self), self._read) if fits else None

    def __len__(self) -> int:
        return self.blocks[0]

    def gather(self, rows: Rows) -> dict[str, Column]:
        """Samples of these rows, (n,) int64. Raises InvalidInput where a document cannot be read, IndexError."""
        return self.gather_into(rows, {})

    def gather_into(self, rows: Rows, out: Out) -> dict[str, Column]:
        """As `gather`, to these arrays, where the rows are kept in memory."""
        check_rows(rows, len(self))
        return self._kept.gather(rows, out) if self._kept else self._read(rows)

    def describe(self) -> str:
        items, made = int(self._ends[-1]) - len(self._ends), f"{len(self):,} samples of {self._pack.to:,} items"
        return f"{self._source.describe()}; packed into {made}: {len(self._ends):,} documents, {items:,} items"

    def where(self, row: int) -> str:
        first, last = self._documents_of(row)
        more = f" to {self._source.where(last)}" if last > first else ""
        return f"packed sample {row}, of {self._source.where(first)}{more}"

    def _documents_of(self, row: int) -> tuple[int, int]:
        """The first and the last document that a sample has something of."""
        items = np.array([row * self._pack.to, min((row + 1) * self._pack.to, int(self._ends[-1])) - 1])
        first, last = np.searchsorted(self._ends, items, side="right").tolist()
        return first, last

    def _read(self, rows: Rows) -> dict[str, Column]:
        samples = np.full((len(rows), self._pack.to), self._pack.end, self._field.dtype)
        for sample, row in zip(samples, rows.tolist(), strict=True):
            self._fill(sample, row)
        return {self._field.name: samples}

    def _fill(self, sample: npt.NDArray[Any], row: int) -> None:
        first, last = self._documents_of(row)
        column = self._source.gather(np.arange(first, last + 1, dtype=np.int64))[self._field.name]
        assert isinstance(column, Ragged)  # the spec says so  # noqa: S101
        lengths = np.diff(column.offsets).tolist()
        at = int(self._ends[first]) - lengths[0] - 1 - row * self._pack.to
        for start, length in zip(column.offsets.tolist(), lengths, strict=False):
            hidden, shown = max(0, -at), min(length, self._pack.to - at)
            if shown > hidden:
                sample[at + hidden : at + shown] = column.values[start + hidden : start + shown]
            at += length + 1


def _documents(spec: ElementSpec, pack: Pack) -> Field:
    field = spec.fields[0]
    if not field.ragged or field.dtype == STRING or field.shape:
        what = f"column {field.name!r} holds {field}, no lists of numbers"
        raise InvalidInput(what, where=f"columns.{field.name}.pack")
    check_holds(field, pack.end, f"columns.{field.name}.pack.end")
    return field


def _lengths(source: IndexedSource, name: str) -> Iterator[int]:
    """How many items each document has."""
    for start in range(0, len(source), _AT_ONCE):
        column = source.gather(np.arange(start, min(start + _AT_ONCE, len(source)), dtype=np.int64))[name]
        assert isinstance(column, Ragged)  # the spec says so  # noqa: S101
        yield from np.diff(column.offsets).tolist()
