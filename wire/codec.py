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
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from google.protobuf.message import DecodeError

from wire.cursor import Cursor
from wire.elements import STRING, Batch, Column, ElementSpec, Field, Landing, Ragged, rows_of
from wire.v1 import ingest_pb2

ALIGNMENT = 64
_LENGTH = struct.Struct("<I")
_ROW_NUMBER = np.dtype("<i8")
_FIELD = b"wire.field"


class CodecError(ValueError):
    """Bytes that are no frame, or a batch that is not what its element spec says."""


@dataclass(frozen=True, slots=True)
class BadSample:
    """A sample that could not be read. place: in its batch. row: its number in the source."""

    place: int
    row: int
    where: str
    why: str


@dataclass(frozen=True, slots=True)
class Frame:
    """One pushed batch: where it is, where its stream goes on, and the batch itself.

    end: the stream ends here and the batch is empty; `cursor` is where the next batch would have been.
    digest: says what the batch is, 64 bits (wire.history). row_numbers: (rows,) int64, the source's numbers of the
    samples; None where it has none. bad: samples that others of the batch stand in for. loader_state: of the user's
    loader after this batch; b"" where it has none or it was not taken here.
    """

    cursor: Cursor
    following: Cursor
    batch: Batch
    end: bool = False
    digest: int = 0
    row_numbers: npt.NDArray[np.int64] | None = None
    bad: tuple[BadSample, ...] = ()
    loader_state: bytes = b""

    @property
    def rows(self) -> int:
        return rows_of(self.batch)


@lru_cache(maxsize=64)
def schema_of(spec: ElementSpec) -> pa.Schema:
    """The Arrow schema in which batches of this element travel; it carries the whole spec as metadata."""
    return pa.schema([pa.field(f.name, _arrow_type(f), False, {_FIELD: _field_json(f)}) for f in spec.fields])


def spec_of(schema: pa.Schema) -> ElementSpec:
    """The element spec inside a schema made by `schema_of`. Raises CodecError where there is none."""
    try:
        spec = ElementSpec(tuple(_field_from(column) for column in schema))
    except (OverflowError, RecursionError, TypeError, ValueError) as error:
        raise CodecError(f"a schema carries no element spec: {error}") from error
    if not schema_of(spec).equals(schema):
        raise CodecError(f"a schema's columns do not fit its element spec ({spec})")
    return spec


def spec_to_bytes(spec: ElementSpec) -> bytes:
    """An element spec as an Arrow IPC schema message, which any language with Arrow can read."""
    return bytes(schema_of(spec).serialize())


def spec_from_bytes(data: bytes) -> ElementSpec:
    """Read what `spec_to_bytes` wrote. Raises CodecError."""
    try:
        schema = pa.ipc.read_schema(pa.py_buffer(data))
    except (pa.ArrowException, EOFError, OSError, ValueError) as error:
        raise CodecError(f"this is no element spec: {error}") from error
    return spec_of(schema)


def encode(batch: Batch, spec: ElementSpec) -> pa.Buffer:
    """One batch as an Arrow record batch. Raises CodecError, naming the field that is not what the spec says."""
    columns = [_checked(field, batch) for field in spec.fields]
    rows = len(columns[0]) if columns else 0
    for field, column in zip(spec.fields, columns, strict=True):
        if len(column) != rows:
            raise CodecError(f"field {field.name!r} has {len(column)} rows, field {spec.names[0]!r} has {rows}")
    arrays = [_to_arrow(field, column) for field, column in zip(spec.fields, columns, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=schema_of(spec)).serialize()


def decode(payload: pa.Buffer | memoryview | bytes, spec: ElementSpec) -> dict[str, Column]:
    """The batch in a payload: numbers as read-only views on it, bools and strings as copies. Raises CodecError."""
    try:
        record = pa.ipc.read_record_batch(pa.py_buffer(payload), schema_of(spec))
        record.validate(full=True)
    except (pa.ArrowException, EOFError, OSError) as error:
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
    """The frames of a message, their batches as views on it. Raises CodecError for anything `pack` did not write."""
    if len(message) < _LENGTH.size:
        raise CodecError(f"a message of {len(message)} bytes is no frame")
    start = _LENGTH.size + _LENGTH.unpack_from(message)[0]
    if start > len(message):
        raise CodecError("a message ends inside its header")
    try:
        header = ingest_pb2.FramesHeader.FromString(message[_LENGTH.size : start])
    except DecodeError as error:
        raise CodecError(f"a message starts with no frame header: {error}") from error
    return _frames(header.frames, memoryview(message), start, spec)


def _frames(headers: Iterable[ingest_pb2.FrameHeader], message: memoryview, at: int, spec: ElementSpec) -> list[Frame]:
    frames = []
    for header in headers:
        at += -at % ALIGNMENT
        payload = message[at : at + header.payload_bytes]
        if len(payload) != header.payload_bytes:
            raise CodecError(f"a message ends inside the payload of {cursor_from(header.cursor)}")
        at += header.payload_bytes
        frames.append(_frame(header, payload, spec))
    if at != len(message):
        raise CodecError(f"a message of {len(message)} bytes has frames that take {at}")
    return frames


def _frame(header: ingest_pb2.FrameHeader, payload: memoryview, spec: ElementSpec) -> Frame:
    if not (header.HasField("cursor") and header.HasField("following")) or (header.end and payload):
        raise CodecError(f"a frame header lacks a cursor, or ends a stream with a payload: {str(header)[:200]!r}")
    batch = {} if header.end else decode(payload, spec)
    bad = tuple(BadSample(b.place, b.row, b.where, b.why) for b in header.bad)
    frame = Frame(
        cursor_from(header.cursor),
        cursor_from(header.following),
        batch,
        header.end,
        header.digest,
        _row_numbers(header),
        bad,
        header.loader_state,
    )
    _check_account(frame)
    return frame


def _row_numbers(header: ingest_pb2.FrameHeader) -> npt.NDArray[np.int64] | None:
    if not header.row_numbers:
        return None
    if len(header.row_numbers) % _ROW_NUMBER.itemsize:
        raise CodecError(f"the row numbers of {cursor_from(header.cursor)} end inside a number")
    return np.frombuffer(header.row_numbers, _ROW_NUMBER)


def _check_account(frame: Frame) -> None:
    """Row numbers and bad samples are of the batch's samples."""
    numbers = frame.row_numbers
    if numbers is not None and (len(numbers) != frame.rows or (numbers < 0).any()):
        raise CodecError(f"{frame.cursor} has {frame.rows} samples and {len(numbers)} row numbers")
    if any(bad.place >= frame.rows for bad in frame.bad):
        raise CodecError(f"{frame.cursor} has {frame.rows} samples and a bad one beyond them")


def _header(frame: Frame, payload_bytes: int) -> ingest_pb2.FrameHeader:
    numbers = frame.row_numbers
    return ingest_pb2.FrameHeader(
        cursor=cursor_message(frame.cursor),
        following=cursor_message(frame.following),
        payload_bytes=payload_bytes,
        end=frame.end,
        digest=frame.digest,
        row_numbers=b"" if numbers is None else numbers.astype(_ROW_NUMBER, copy=False).tobytes(),
        bad=[ingest_pb2.BadSample(place=b.place, row=b.row, where=b.where, why=b.why) for b in frame.bad],
        loader_state=frame.loader_state,
    )


def cursor_message(cursor: Cursor) -> ingest_pb2.Cursor:
    """A cursor as it travels."""
    return ingest_pb2.Cursor(stream=cursor.stream, epoch=cursor.epoch, sequence=cursor.sequence)


def cursor_from(message: ingest_pb2.Cursor) -> Cursor:
    """Read what `cursor_message` wrote."""
    return Cursor(message.stream, message.epoch, message.sequence)


def _field_json(field: Field) -> bytes:
    landing = field.landing and [field.landing.dtype, float(field.landing.scale), float(field.landing.offset)]
    return json.dumps([field.dtype, list(field.shape), field.ragged, landing]).encode()


def _field_from(column: pa.Field) -> Field:
    if not column.metadata or _FIELD not in column.metadata:
        raise ValueError(f"column {column.name!r} has no {_FIELD.decode()!r} in its metadata")
    dtype, shape, ragged, landing = json.loads(column.metadata[_FIELD])
    if not isinstance(ragged, bool):
        raise TypeError(f"column {column.name!r}: {ragged!r} does not say whether it is ragged")
    return Field(column.name, dtype, tuple(shape), ragged, landing and Landing(*landing))


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


def _to_arrow(field: Field, column: Column) -> pa.Array:
    if isinstance(column, Ragged):
        items = _items(field, column.values)
        return pa.LargeListArray.from_arrays(column.offsets, items, type=_arrow_type(field))
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
