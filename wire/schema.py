"""An element spec as an Arrow schema and back: what travels once per stream."""

from __future__ import annotations

import json
from functools import lru_cache

import numpy as np
import pyarrow as pa

from wire.elements import STRING, ElementSpec, Field, Landing

_FIELD = b"wire.field"


class CodecError(ValueError):
    """Bytes that are no frame, or a batch that is not what its element spec says."""


@lru_cache(maxsize=64)
def schema_of(spec: ElementSpec) -> pa.Schema:
    """The Arrow schema in which batches of this element travel; it carries the whole spec as metadata."""
    return pa.schema([pa.field(f.name, arrow_type(f), False, {_FIELD: _field_json(f)}) for f in spec.fields])


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


def arrow_type(field: Field) -> pa.DataType:
    """The type of a field's column."""
    value = {"bool": pa.bool_(), STRING: pa.string()}.get(field.dtype) or pa.from_numpy_dtype(np.dtype(field.dtype))
    item = value if not field.shape else pa.list_(pa.field("item", value, False), field.size)
    return pa.large_list(pa.field("item", item, False)) if field.ragged else item
