"""Arrays to bytes and back: the only file that does it.

A batch travels as one Arrow IPC record batch; its schema travels once per stream. One gRPC message carries one or
more frames:

    uint32 n | n bytes: wire.v1.FramesHeader | padding to 64 | payload | padding to 64 | payload ...

Payloads are aligned, so a decoded column is a view on the received message, not a copy.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from wire.cursor import Cursor
from wire.elements import STRING, Batch, Column, ElementSpec, Field, Landing, Ragged, rows_of
from wire.v1 import ingest_pb2

ALIGNMENT = 64
_LENGTH = struct.Struct("<I")
_FIELD = b"wire.field"


class CodecError(ValueError):
    """Bytes that are no frame, or a batch that is not what its element spec says."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One pushed batch: where it is, where its stream goes on, and the batch itself.

    end: the stream ends here and the batch is empty; `cursor` is where the next batch would have been.
    """

    cursor: Cursor
    following: Cursor
    batch: Batch
    end: bool = False

    @property
    def rows(self) -> int:
        return rows_of(self.batch)


def schema_of(spec: ElementSpec) -> pa.Schema:
    """The Arrow schema in which batches of this element travel; it carries the whole spec as metadata."""
    return pa.schema([pa.field(f.name, _arrow_type(f), False, {_FIELD: _field_json(f)}) for f in spec.fields])


def spec_of(schema: pa.Schema) -> ElementSpec:
    """The element spec inside a schema made by `schema_of`. Raises CodecError where there is none."""
    return ElementSpec(tuple(_field_from(column) for column in schema))


def spec_to_bytes(spec: ElementSpec) -> bytes:
    return schema_of(spec).serialize().to_pybytes()


def spec_from_bytes(data: bytes) -> ElementSpec:
    """Read what `spec_to_bytes` wrote. Raises CodecError."""
    try:
        return spec_of(pa.ipc.read_schema(pa.py_buffer(data)))
    except (pa.ArrowException, OSError, KeyError, TypeError, ValueError) as error:
        raise CodecError(f"this is no element spec: {error}") from error


def encode(batch: Batch, spec: ElementSpec) -> pa.Buffer:
    """One batch as an Arrow record batch. Raises CodecError, naming the field that is not what the spec says."""
    arrays = [_to_arrow(field, _checked(field, batch)) for field in spec.fields]
    return pa.RecordBatch.from_arrays(arrays, schema=schema_of(spec)).serialize()


def decode(payload: pa.Buffer | memoryview | bytes, spec: ElementSpec) -> dict[str, Column]:
    """The batch in a payload, as views on it where Arrow's layout allows. Raises CodecError."""
    try:
        record = pa.ipc.read_record_batch(pa.py_buffer(payload), schema_of(spec))
        record.validate(full=True)
    except (pa.ArrowException, OSError) as error:
        raise CodecError(f"a payload is no Arrow record batch of ({spec}): {error}") from error
    return {field.name: _from_arrow(field, record.column(i)) for i, field in enumerate(spec.fields)}


def pack(frames: Sequence[Frame], spec: ElementSpec) -> bytes:
    """One gRPC message with these frames."""
    payloads = [b"" if frame.end else encode(frame.batch, spec) for frame in frames]
    header = ingest_pb2.FramesHeader(
        frames=[_header(frame, len(payload)) for frame, payload in zip(frames, payloads, strict=True)]
    ).SerializeToString()
    parts: list[bytes | pa.Buffer] = [_LENGTH.pack(len(header)), header]
    size = _LENGTH.size + len(header)
    for payload in payloads:
        padding = -size % ALIGNMENT
        parts += (bytes(padding), payload)
        size += padding + len(payload)
    return b"".join(parts)


def unpack(message: bytes, spec: ElementSpec) -> list[Frame]:
    """The frames of a message. Raises CodecError for anything that `pack` did not write."""
    if len(message) < _LENGTH.size:
        raise CodecError(f"a message of {len(message)} bytes is no frame")
    start = _LENGTH.size + _LENGTH.unpack_from(message)[0]
    try:
        header = ingest_pb2.FramesHeader.FromString(message[_LENGTH.size : start])
    except Exception as error:  # noqa: BLE001 - protobuf's DecodeError has no stable public base
        raise CodecError(f"a message starts with no frame header: {error}") from error
    return list(_frames(header.frames, memoryview(message), start, spec))


def _frames(
    headers: Iterable[ingest_pb2.FrameHeader], message: memoryview, at: int, spec: ElementSpec
) -> Iterable[Frame]:
    for header in headers:
        at += -at % ALIGNMENT
        payload = message[at : at + header.payload_bytes]
        if len(payload) != header.payload_bytes:
            raise CodecError(f"a message ends inside the payload of {_cursor(header.cursor)}")
        at += header.payload_bytes
        batch = {} if header.end else decode(payload, spec)
        yield Frame(_cursor(header.cursor), _cursor(header.following), batch, header.end)


def _header(frame: Frame, payload_bytes: int) -> ingest_pb2.FrameHeader:
    return ingest_pb2.FrameHeader(
        cursor=cursor_message(frame.cursor),
        following=cursor_message(frame.following),
        payload_bytes=payload_bytes,
        end=frame.end,
    )


def cursor_message(cursor: Cursor) -> ingest_pb2.Cursor:
    return ingest_pb2.Cursor(stream=cursor.stream, epoch=cursor.epoch, sequence=cursor.sequence)


def _cursor(message: ingest_pb2.Cursor) -> Cursor:
    return Cursor(message.stream, message.epoch, message.sequence)


cursor_from = _cursor


def _field_json(field: Field) -> bytes:
    landing = field.landing and [field.landing.dtype, field.landing.scale, field.landing.offset]
    return json.dumps([field.dtype, list(field.shape), field.ragged, landing]).encode()


def _field_from(column: pa.Field) -> Field:
    if not column.metadata or _FIELD not in column.metadata:
        raise CodecError(f"column {column.name!r} carries no element spec")
    dtype, shape, ragged, landing = json.loads(column.metadata[_FIELD])
    return Field(column.name, dtype, tuple(shape), ragged, Landing(*landing) if landing else None)


def _arrow_type(field: Field) -> pa.DataType:
    value = {"bool": pa.bool_(), STRING: pa.string()}.get(field.dtype) or pa.from_numpy_dtype(np.dtype(field.dtype))
    item = value if not field.shape else pa.list_(pa.field("item", value, False), field.size)
    return pa.large_list(pa.field("item", item, False)) if field.ragged else item


def _checked(field: Field, batch: Batch) -> Column:
    if field.name not in batch:
        raise CodecError(f"field {field.name!r} is missing; the batch has {', '.join(batch) or 'no fields'}")
    column = batch[field.name]
    if isinstance(column, Ragged) != field.ragged:
        raise CodecError(f"field {field.name!r} is {'not ' if field.ragged else ''}ragged in this batch")
    values = column.values if isinstance(column, Ragged) else column
    dtype = STRING if values.dtype == object else values.dtype.name
    if (dtype, values.shape[1:]) != (field.dtype, field.shape):
        raise CodecError(
            f"field {field.name!r} is {dtype}{values.shape[1:]} in this batch, {field.dtype}{field.shape} before"
        )
    return column


def _to_arrow(field: Field, column: Column) -> pa.Array:
    if isinstance(column, Ragged):
        items = _items(field, column.values)
        return pa.LargeListArray.from_arrays(column.offsets, items, type=_arrow_type(field))
    return _items(field, column)


def _items(field: Field, values: npt.NDArray[Any]) -> pa.Array:
    flat = np.ascontiguousarray(values).reshape(-1)
    value = pa.array(flat, type=pa.string() if field.dtype == STRING else None)
    if not field.shape:
        return value
    kind = pa.list_(pa.field("item", value.type, False), field.size)
    return pa.FixedSizeListArray.from_arrays(value, type=kind)


def _from_arrow(field: Field, array: pa.Array) -> Column:
    if field.ragged:
        offsets = np.asarray(array.offsets, dtype=np.int64)
        items = array.values.slice(offsets[0], offsets[-1] - offsets[0])
        return Ragged(_values(field, items), offsets - offsets[0])
    return _values(field, array)


def _values(field: Field, array: pa.Array) -> npt.NDArray[Any]:
    flat = array.flatten() if field.shape else array
    numbers = flat.to_numpy(zero_copy_only=field.dtype not in (STRING, "bool"))
    return numbers.reshape(len(array), *field.shape)
