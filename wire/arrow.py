"""Columns as Arrow arrays and back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from wire.elements import STRING, Column, ElementSpec, Field, Ragged
from wire.schema import CodecError, arrow_type, schema_of


def written(columns: Sequence[Column], spec: ElementSpec) -> pa.Buffer:
    """Columns that are of the spec, as a record batch. Raises CodecError for a string that is none."""
    arrays = [_to_arrow(field, column) for field, column in zip(spec.fields, columns, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=schema_of(spec)).serialize()


def read(data: npt.NDArray[np.uint8], spec: ElementSpec) -> dict[str, Column]:
    """The columns of a record batch: numbers as views, bools and strings as copies. Raises CodecError."""
    try:
        record = pa.ipc.read_record_batch(pa.py_buffer(data), schema_of(spec))
        record.validate(full=True)
    except (pa.ArrowException, EOFError, OSError) as error:
        raise CodecError(f"a payload is no Arrow record batch of ({spec}): {error}") from error
    return {field.name: _from_arrow(field, record.column(i)) for i, field in enumerate(spec.fields)}


def _to_arrow(field: Field, column: Column) -> pa.Array:
    if isinstance(column, Ragged):
        items = _items(field, column.values)
        return pa.LargeListArray.from_arrays(column.offsets, items, type=arrow_type(field))
    return _items(field, column)


def _items(field: Field, values: npt.NDArray[Any]) -> pa.Array:
    if field.dtype == STRING:
        value = _strings(field, values.reshape(-1))
    else:
        value = pa.array(np.ascontiguousarray(values, dtype=field.dtype).reshape(-1))
    if not field.shape:
        return value
    kind = pa.list_(pa.field("item", value.type, False), field.size)
    return pa.FixedSizeListArray.from_arrays(value, type=kind)


def _strings(field: Field, values: npt.NDArray[Any]) -> pa.Array:
    try:
        array = pa.array(values, type=pa.string())
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise CodecError(f"field {field.name!r} has a value that is no string: {error}") from error
    if array.null_count:
        raise CodecError(f"field {field.name!r} has {array.null_count} values that are no strings but None or NaN")
    return array


def _from_arrow(field: Field, array: pa.Array) -> Column:
    if _nulls(array):
        raise CodecError(f"field {field.name!r} has nulls in this payload")
    if not field.ragged:
        return _values(field, array)
    if not len(array):  # Arrow may leave the offsets of an empty list array out
        return Ragged(_values(field, array.values.slice(0, 0)), np.zeros(1, np.int64))
    offsets = array.offsets.to_numpy()
    items = array.values.slice(offsets[0], offsets[-1] - offsets[0])
    return Ragged(_values(field, items), offsets - offsets[0])


def _nulls(array: pa.Array) -> bool:
    return array.null_count > 0 or (pa.types.is_nested(array.type) and _nulls(array.values))


def _values(field: Field, array: pa.Array) -> npt.NDArray[Any]:
    flat = array.flatten() if field.shape else array
    numbers: npt.NDArray[Any] = flat.to_numpy(zero_copy_only=field.dtype not in (STRING, "bool"))
    return numbers.reshape(len(array), *field.shape)
