"""Columns of any kind, numbers, strings and ragged lists: take rows of them, join them, check them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from streamer.order import Rows
from wire.codec import Frame
from wire.elements import STRING, Batch, Column, ElementSpec, Field, Ragged, rows_of
from wire.errors import InvalidInput
from wire.landing import empty

_LONG = 32
"""Items in a list of a ragged column, on average, from which on lists are copied one by one."""


def take(column: Column, rows: Rows, to: npt.NDArray[Any] | None = None) -> Column:
    """The rows of a column, in this order. Neighbouring rows come as a view. The rows must exist.

    to: where they may be written, if it has their dtype and as many numbers.
    """
    if isinstance(column, Ragged):
        return _take_ragged(column, rows)
    if _neighbours(rows):
        return column[rows[0] : rows[-1] + 1]
    if column.dtype == object:
        return column[rows]
    shape = (len(rows), *column.shape[1:])
    fits = to is not None and to.dtype == column.dtype and to.size == math.prod(shape)
    out = to.reshape(shape) if to is not None and fits else empty(shape, column.dtype)
    return np.take(column, rows, axis=0, out=out, mode="clip")  # rows are checked; "clip" spares numpy a buffered copy


def check_rows(rows: Rows, n: int) -> None:
    """Raises IndexError for a row outside 0 .. n-1."""
    if len(rows) and (rows.min() < 0 or rows.max() >= n):
        raise IndexError(f"rows {rows.min()} .. {rows.max()} asked of a source of {n} rows")


def join(columns: Sequence[Column]) -> Column:
    """One column after the other. All are of one kind."""
    if len(columns) == 1:
        return columns[0]
    ragged = [column for column in columns if isinstance(column, Ragged)]
    if not ragged:
        return np.concatenate([column for column in columns if isinstance(column, np.ndarray)])
    shifts = np.cumsum([0, *(column.offsets[-1] for column in ragged)])
    tails = [column.offsets[1:] + shift for column, shift in zip(ragged, shifts, strict=False)]
    values = np.concatenate([column.values for column in ragged])
    return Ragged(values, np.concatenate([np.zeros(1, np.int64), *tails]))


def size_of(column: Column) -> int:
    """Bytes of a column in memory; strings are counted by their text."""
    if isinstance(column, Ragged):
        return size_of(column.values) + column.offsets.nbytes
    return column.nbytes + sum(map(len, column)) if column.dtype == object else column.nbytes


def frame_bytes(frame: Frame) -> int:
    """About how many bytes a frame has on the wire."""
    numbers = 0 if frame.row_numbers is None else frame.row_numbers.nbytes
    return sum(map(size_of, frame.batch.values())) + numbers + len(frame.loader_state)


def spec_of(batch: Batch, where: str) -> ElementSpec:
    """The spec of which this batch is an example. Raises InvalidInput for a field without a batch dimension."""
    for name, column in batch.items():
        if isinstance(column, np.ndarray) and column.ndim == 0:
            raise InvalidInput(
                f"field {name!r} has no batch dimension", where=where, fix="give one value for each sample of the batch"
            )
    try:
        return ElementSpec(tuple(_field(name, column) for name, column in batch.items()))
    except ValueError as error:
        raise InvalidInput(str(error), where=where) from error


def _field(name: str, column: Column) -> Field:
    values = column.values if isinstance(column, Ragged) else column
    dtype = STRING if values.dtype == object else values.dtype.name
    return Field(name, dtype, values.shape[1:], isinstance(column, Ragged))


def check_batch(batch: Batch, spec: ElementSpec, where: str) -> None:
    """Raises InvalidInput naming the field, what it was and what it is, for a batch that is not of this spec."""
    for field in spec.fields:
        before = _kind(field)
        now = _kind(_field(field.name, batch[field.name])) if field.name in batch else "missing"
        if now != before:
            raise InvalidInput(
                f"field {field.name!r} changes between batches: it was {before}, now it is {now}",
                where=where,
                fix="make every sample of a field the same dtype and shape: pad, crop or cast it in the dataset",
            )
    extra = [name for name in batch if name not in spec.names]
    if extra:
        raise InvalidInput(f"field {extra[0]!r} appears in some batches only", where=where)
    if len({len(column) for column in batch.values()}) > 1:
        counts = ", ".join(f"{name!r} {len(column)}" for name, column in batch.items())
        raise InvalidInput(f"the fields of a batch have different numbers of samples: {counts}", where=where)


def slice_batch(batch: Batch, start: int, stop: int) -> dict[str, Column]:
    """The samples start .. stop - 1 of a batch, as views."""
    rows = np.arange(start, min(stop, rows_of(batch)), dtype=np.int64)
    return {name: take(column, rows) for name, column in batch.items()}


def one_by_one(frame: Frame) -> list[Frame]:
    """A frame for each of its batches, as views on it."""
    count = frame.batches
    if count == 1:
        return [frame]
    rows, cursors = frame.rows // count, frame.cursors()
    numbers = [None] * count if frame.row_numbers is None else np.split(frame.row_numbers, count)
    states = [b""] * (count - 1) + [frame.loader_state]
    return [
        Frame(
            cursors[i],
            cursors[i + 1],
            slice_batch(frame.batch, i * rows, (i + 1) * rows),
            digests=(digest,),
            row_numbers=numbers[i],
            loader_state=states[i],
        )
        for i, digest in enumerate(frame.digests)
    ]


class Table:
    """Columns in memory, all of one length, from which rows are gathered."""

    def __init__(self, columns: Mapping[str, Column]) -> None:
        self._columns = {n: c if isinstance(c, Ragged) else np.asarray(c) for n, c in columns.items()}
        self._rows = rows_of(columns)

    def __len__(self) -> int:
        return self._rows

    def gather(self, rows: Rows, out: Mapping[str, npt.NDArray[Any]] | None = None) -> dict[str, Column]:
        """These rows, (n,) int64, of every column. Raises IndexError for a row that is not there.

        out: where columns may be written, by name.
        """
        check_rows(rows, self._rows)
        to = out or {}
        return {name: take(column, rows, to.get(name)) for name, column in self._columns.items()}


def freeze(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The array, read-only: what is gathered from it may be a view."""
    array.setflags(write=False)
    return array


def _kind(field: Field) -> str:
    return f"{'ragged ' if field.ragged else ''}{field.dtype}{field.shape}"


def _neighbours(rows: Rows) -> bool:
    """Whether each row is the one after the row before."""
    return len(rows) > 0 and rows[-1] - rows[0] == len(rows) - 1 and bool((rows[1:] - rows[:-1] == 1).all())


def _take_ragged(column: Ragged, rows: Rows) -> Ragged:
    starts, stops = column.offsets[rows], column.offsets[rows + 1]
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(stops - starts)])
    if _neighbours(rows):
        return Ragged(column.values[starts[0] : stops[-1]], offsets)
    if offsets[-1] > _LONG * len(rows):
        return Ragged(_cut_out(column.values, starts.tolist(), stops.tolist()), offsets)
    where = np.arange(offsets[-1]) + np.repeat(starts - offsets[:-1], stops - starts)
    return Ragged(column.values[where], offsets)


def _cut_out(values: npt.NDArray[Any], starts: list[int], stops: list[int]) -> npt.NDArray[Any]:
    """These spans, one after the other: quicker than an index of each item where spans are long."""
    return np.concatenate([values[start:stop] for start, stop in zip(starts, stops, strict=True)])
