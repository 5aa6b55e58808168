"""Arrow columns as ours: which field an Arrow type makes, and its values as arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyarrow import types

from wire.elements import NUMBERS, STRING, Column, Field, Ragged
from wire.errors import InvalidInput

_BYTES = "bytes"


def field_of(name: str, kind: pa.DataType, where: str) -> Field:
    """The field of an Arrow column. Raises InvalidInput for a type that cannot travel, naming the column."""
    ragged, item = _list_item(kind)
    dtype, shape = _item(item)
    if dtype not in (*NUMBERS, STRING):
        raise InvalidInput(
            f"column {name!r} has type {kind}, which cannot travel",
            where=where,
            fix="leave it out under `columns`, or store numbers, strings, fixed-size or simple lists",
        )
    return Field(name, dtype, shape, ragged)


def column_of(data: pa.ChunkedArray, field: Field, where: str) -> Column:
    """The values of an Arrow column. Raises InvalidInput for a column with missing values."""
    array = data.combine_chunks()
    array = array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array
    array = array.storage if isinstance(array, pa.ExtensionArray) else array
    if types.is_struct(array.type):
        _refuse_missing(array, field, where)
        array = array.field(_BYTES)
    if not field.ragged:
        return _values(array, field, where)
    if types.is_binary(array.type) or types.is_large_binary(array.type):
        array = _bytes_as_list(array, field, where)
    _refuse_missing(array, field, where)
    offsets = np.asarray(array.offsets, dtype=np.int64)
    items = array.values.slice(offsets[0], offsets[-1] - offsets[0])
    return Ragged(_values(items, field, where), offsets - offsets[0])


def _list_item(kind: pa.DataType) -> tuple[bool, pa.DataType]:
    if types.is_struct(kind) and kind.get_field_index(_BYTES) >= 0:
        kind = kind.field(_BYTES).type  # a picture as data sets on the Hub store it: {bytes, path}
    if types.is_binary(kind) or types.is_large_binary(kind):
        return True, pa.uint8()
    if types.is_list(kind) or types.is_large_list(kind):
        return True, kind.value_type
    return False, kind


def _item(kind: pa.DataType) -> tuple[str, tuple[int, ...]]:
    """numpy dtype and shape of one item; a dtype of another name where there is none."""
    if isinstance(kind, pa.FixedShapeTensorType):
        return _item(kind.value_type)[0], tuple(kind.shape)
    if types.is_fixed_size_binary(kind):
        return "uint8", (kind.byte_width,)
    if types.is_fixed_size_list(kind):
        dtype, shape = _item(kind.value_type)
        return dtype, (kind.list_size, *shape)
    if types.is_dictionary(kind):
        return _item(kind.value_type)
    if types.is_string(kind) or types.is_large_string(kind):
        return STRING, ()
    return {"halffloat": "float16", "float": "float32", "double": "float64"}.get(str(kind), str(kind)), ()


def _values(array: pa.Array, field: Field, where: str) -> npt.NDArray[Any]:
    """An Arrow array, nested in fixed-size lists, as (len, *shape)."""
    rows = len(array)
    while True:
        _refuse_missing(array, field, where)
        if not types.is_fixed_size_list(array.type):
            break
        array = array.flatten()
    if types.is_fixed_size_binary(array.type):
        flat = _fixed_bytes(array)
    elif types.is_dictionary(array.type):
        flat = array.dictionary_decode().to_numpy(zero_copy_only=False)
    else:
        flat = array.to_numpy(zero_copy_only=False)
    return flat.reshape(rows, *field.shape)


def _fixed_bytes(array: pa.Array) -> npt.NDArray[Any]:
    width = array.type.byte_width
    return np.frombuffer(array.buffers()[1], np.uint8, len(array) * width, array.offset * width)


def _bytes_as_list(array: pa.Array, field: Field, where: str) -> pa.Array:
    _refuse_missing(array, field, where)
    large = array.cast(pa.large_binary())
    offsets = np.frombuffer(large.buffers()[1], np.int64, len(large) + 1, large.offset * 8)
    values = pa.array(np.frombuffer(large.buffers()[2] or b"", np.uint8))
    return pa.LargeListArray.from_arrays(pa.array(offsets), values)


def _refuse_missing(array: pa.Array, field: Field, where: str) -> None:
    if array.null_count:
        raise InvalidInput(
            f"column {field.name!r} has {array.null_count:,} missing values",
            where=where,
            fix="fill them in, or leave the rows or the column out",
        )
