"""One batch as bytes and back: an Arrow IPC record batch, whose schema travels once per stream.

For a spec of plain numbers all payloads of so many rows are the same bytes but for the columns themselves. These bytes
are kept as a layout, and a batch is written and read without making Arrow objects. The rest takes Arrow's own way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from wire.arrow import read, written
from wire.elements import STRING, Batch, Column, ElementSpec, Field, Ragged, rows_of
from wire.schema import CodecError, schema_of

_KEPT = 16

Bytes = npt.NDArray[np.uint8]
Kind = tuple[str, np.dtype[Any], tuple[int, ...], int]


@dataclass(frozen=True, slots=True)
class Payload:
    """The bytes of a batch, in parts that share memory with its columns. size: of all parts together."""

    parts: tuple[Bytes, ...]
    size: int

    def write(self, to: Bytes) -> None:
        """Copy all parts to memory of this size, one behind the other."""
        at = 0
        for part in self.parts:
            np.copyto(to[at : at + len(part)], part)
            at += len(part)

    def __bytes__(self) -> bytes:
        return b"".join(part.data for part in self.parts)


def encode(batch: Batch, spec: ElementSpec) -> Payload:
    """One batch as an Arrow record batch. Raises CodecError, naming the field that is not what the spec says."""
    layouts = _layouts(spec)
    if layouts is not None and (payload := layouts.payload(batch)) is not None:
        return payload
    columns = [_checked(field, batch) for field in spec.fields]
    rows = len(columns[0]) if columns else 0
    for field, column in zip(spec.fields, columns, strict=True):
        if len(column) != rows:
            raise CodecError(f"field {field.name!r} has {len(column)} rows, field {spec.names[0]!r} has {rows}")
    return _payload_of(written(columns, spec))


def decode(payload: Bytes | pa.Buffer | bytes, spec: ElementSpec) -> dict[str, Column]:
    """The batch in a payload: numbers as read-only views on it, bools and strings as copies. Raises CodecError."""
    data = np.frombuffer(payload, np.uint8)
    layouts = _layouts(spec)
    if layouts is not None and (layout := layouts.fits(data)):
        return {name: _frozen(column) for name, column in layout.columns(data).items()}
    # What others may still write to, shared memory, is not parsed where it lies.
    batch = read(data.copy() if data.flags.writeable else data, spec)
    if layouts is not None and (rows := rows_of(batch)):
        layouts.of(rows)
    return batch


def layout_of(spec: ElementSpec, rows: int) -> Layout | None:
    """How a payload of so many rows is laid out; None where payloads differ in more than their numbers."""
    layouts = _layouts(spec)
    return None if layouts is None or not rows else layouts.of(rows)


def _frozen(column: npt.NDArray[Any]) -> npt.NDArray[Any]:
    column.flags.writeable = False
    return column


def _payload_of(buffer: pa.Buffer) -> Payload:
    return Payload((np.frombuffer(buffer, np.uint8),), len(buffer))


@dataclass(frozen=True, slots=True)
class Layout:
    """Payloads of so many rows: `between` are the bytes before, between and behind the columns, which begin at `at`.

    kinds: (name, dtype, shape, numbers in a sample) of each column. size: bytes of such a payload.
    """

    rows: int
    size: int
    kinds: tuple[Kind, ...]
    at: tuple[int, ...]
    between: tuple[bytes, ...]

    def columns(self, memory: Bytes) -> dict[str, npt.NDArray[Any]]:
        """The columns of a payload in this memory, (size,), as views on it."""
        return {
            name: np.frombuffer(memory, dtype, self.rows * size, at).reshape(self.rows, *shape)
            for (name, dtype, shape, size), at in zip(self.kinds, self.at, strict=True)
        }

    def write_around(self, memory: Bytes) -> None:
        """What a payload in this memory has beside its columns."""
        for before, end in zip(self.between, (*self.at, self.size), strict=True):
            memory[end - len(before) : end] = np.frombuffer(before, np.uint8)

    def around(self, columns: Sequence[Bytes]) -> Payload:
        parts: list[Bytes] = []
        for before, column in zip(self.between, columns, strict=False):
            parts += (np.frombuffer(before, np.uint8), column)
        return Payload((*parts, np.frombuffer(self.between[-1], np.uint8)), self.size)

    def matches(self, data: Bytes) -> bool:
        """Whether a payload of this size is one of these."""
        view = data.data
        return all(view[e - len(b) : e] == b for b, e in zip(self.between, (*self.at, self.size), strict=True))


class _Layouts:
    """The layouts of one spec, made when they are first needed."""

    def __init__(self, spec: ElementSpec) -> None:
        self._spec = spec
        self._kinds = tuple((f.name, np.dtype(f.dtype), f.shape, f.size) for f in spec.fields)
        self._by_rows: dict[int, Layout] = {}
        self._by_size: dict[int, Layout] = {}

    def of(self, rows: int) -> Layout:
        if rows not in self._by_rows:
            if len(self._by_rows) >= _KEPT:
                self._by_rows.clear()
                self._by_size.clear()
            made = _layout(self._spec, rows, self._kinds)
            self._by_rows[rows] = self._by_size[made.size] = made
        return self._by_rows[rows]

    def fits(self, data: Bytes) -> Layout | None:
        """The layout that a payload has, if it is known."""
        known = self._by_size.get(len(data))
        return known if known is not None and known.matches(data) else None

    def payload(self, batch: Batch) -> Payload | None:
        """A batch as bytes; None for one without rows, and for one that is not what the spec says."""
        flat: list[Bytes] = []
        rows = 0
        for name, dtype, shape, _ in self._kinds:
            column = batch.get(name)
            if not isinstance(column, np.ndarray) or column.dtype != dtype or column.shape[1:] != shape:
                return None
            if not len(column) or len(column) != (rows or len(column)):
                return None
            rows = len(column)
            flat.append(np.ascontiguousarray(column).reshape(-1).view(np.uint8))
        return self.of(rows).around(flat)


@lru_cache(maxsize=64)
def _layouts(spec: ElementSpec) -> _Layouts | None:
    """None for a spec whose payloads differ in more than their numbers."""
    plain = all(not field.ragged and field.dtype not in ("bool", STRING) for field in spec.fields)
    return _Layouts(spec) if plain and spec.fields else None


def _layout(spec: ElementSpec, rows: int, kinds: tuple[Kind, ...]) -> Layout:
    """From a payload that Arrow has written."""
    payload = written([np.zeros((rows, *field.shape), field.dtype) for field in spec.fields], spec)
    record = pa.ipc.read_record_batch(payload, schema_of(spec))
    values = [record.column(i).flatten() if f.shape else record.column(i) for i, f in enumerate(spec.fields)]
    at = [value.buffers()[1].address - payload.address for value in values]
    ends = [a + rows * f.size * np.dtype(f.dtype).itemsize for a, f in zip(at, spec.fields, strict=True)]
    data = np.frombuffer(payload, np.uint8)
    between = [data[a:b].tobytes() for a, b in zip([0, *ends], [*at, len(data)], strict=True)]
    return Layout(rows, len(data), kinds, tuple(at), tuple(between))


def _checked(field: Field, batch: Batch) -> Column:
    if field.name not in batch:
        raise CodecError(f"field {field.name!r} is missing; the batch has {', '.join(batch) or 'no fields'}")
    column = batch[field.name]
    if isinstance(column, Ragged) != field.ragged:
        raise CodecError(f"field {field.name!r} is {'not ' if field.ragged else ''}ragged in this batch")
    values = column.values if isinstance(column, Ragged) else column
    if not values.shape:
        raise CodecError(f"field {field.name!r} is a single {values.dtype.name} in this batch, not one for each row")
    dtype = STRING if values.dtype == object else values.dtype.name
    if (dtype, values.shape[1:]) != (field.dtype, field.shape):
        raise CodecError(
            f"field {field.name!r} is {dtype}{values.shape[1:]} in this batch, {field.dtype}{field.shape} before"
        )
    if isinstance(column, Ragged):
        _check_offsets(field, column)
    return column


def _check_offsets(field: Field, column: Ragged) -> None:
    offsets, total = column.offsets, len(column.values)
    sound = offsets.dtype == np.int64 and offsets.ndim == 1 and len(offsets) > 0
    if not sound or offsets[0] != 0 or offsets[-1] != total or (np.diff(offsets) < 0).any():
        raise CodecError(f"field {field.name!r}: its offsets are not int64 numbers that rise from 0 to {total}")
