"""tf.train.Example: which field each of its features makes, and the values of one record."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from google.protobuf.message import DecodeError

from streamer.recipe_column import Column
from wire.elements import STRING, ElementSpec, Field
from wire.errors import InvalidInput, nearest
from wire.v1 import example_pb2

BYTES, FLOATS, INTS = "bytes_list", "float_list", "int64_list"
_NAME_IT = "give its dtype and shape under `columns`, as image: {dtype: uint8, shape: [28, 28, 1]}"

Values = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class Feature:
    """A feature as it is stored, and the field it makes. Bytes that make numbers are their memory, little-endian."""

    field: Field
    kind: str

    @property
    def raw(self) -> bool:
        return self.kind == BYTES and self.field.dtype != STRING

    def __str__(self) -> str:
        return _said(self.kind, 1 if self.raw else None if self.field.ragged else self.field.size)


def parse(data: bytes) -> example_pb2.Example:
    """The record in these bytes. Raises InvalidInput for anything else."""
    try:
        return example_pb2.Example.FromString(data)
    except DecodeError as error:
        raise InvalidInput("this record is no tf.train.Example", fix="write records as tf.train.Example") from error


def infer(samples: Sequence[example_pb2.Example], columns: Mapping[str, Column]) -> tuple[Feature, ...]:
    """The features that records like these have: those of `columns` in that order, or all by name.

    One value in every sample makes a scalar, n values a vector, other numbers of values a list; a shape in `columns`
    fixes it. Raises InvalidInput for a feature that is not there, or whose bytes nobody said the meaning of.
    """
    there = sorted({name for sample in samples for name in sample.features.feature})
    if not there:
        raise InvalidInput("these records have no features", fix="write records as tf.train.Example")
    for name in columns:
        if name not in there:
            raise InvalidInput(f"there is no feature {name!r}", fix=nearest(name, there))
    chosen = columns or dict.fromkeys(there, Column())
    return tuple(_feature(name, column, samples) for name, column in chosen.items())


def spec_of(features: Sequence[Feature]) -> ElementSpec:
    """The fields that these features make."""
    return ElementSpec(tuple(feature.field for feature in features))


def values_of(feature: Feature, example: example_pb2.Example) -> Values:
    """The values of a feature in one record: (*shape), or (n, *shape) of a ragged one, in the field's dtype.

    Raises InvalidInput for a record that has another kind or number of values.
    """
    field = feature.field
    kind, stored = _stored(example, field.name)
    if kind not in ("", feature.kind):
        raise _differs(feature, kind, stored)
    values = _raw(feature, stored) if feature.raw else _plain(feature, stored)
    if field.ragged:
        return values
    if len(values) != field.size:
        raise _differs(feature, feature.kind, stored)
    return values.reshape(field.shape)


def _plain(feature: Feature, stored: Sequence[Any]) -> Values:
    if feature.kind != BYTES:
        return np.array(stored, dtype=feature.field.dtype)
    texts = np.empty(len(stored), dtype=object)
    try:
        texts[:] = [value.decode() for value in stored]
    except UnicodeDecodeError as error:
        raise InvalidInput(f"feature {feature.field.name!r} is no UTF-8 text here", fix=_NAME_IT) from error
    return texts


def _raw(feature: Feature, stored: Sequence[bytes]) -> Values:
    name, dtype = feature.field.name, np.dtype(feature.field.dtype)
    if feature.field.ragged and not stored:
        return np.empty(0, dtype)
    if len(stored) != 1:
        raise InvalidInput(
            f"feature {name!r} has {len(stored)} values; bytes that make {dtype.name} are one value",
            fix=f"write them as one value, or leave {name!r} out",
        )
    only = stored[0]  # each look at it is a copy
    if len(only) % dtype.itemsize or (not feature.field.ragged and _too_many(only, feature.field)):
        shape = list(feature.field.shape)
        wanted = (
            f"a multiple of {dtype.itemsize}" if feature.field.ragged else f"{dtype.itemsize * feature.field.size:,}"
        )
        raise InvalidInput(
            f"feature {name!r} has {len(only):,} bytes; {dtype.name} of shape {shape} needs {wanted}",
            fix=f"give dtype and shape that fit under columns.{name}",
        )
    return np.frombuffer(only, dtype.newbyteorder("<")).astype(dtype, copy=False)


def _too_many(stored: bytes, field: Field) -> bool:
    return len(stored) != np.dtype(field.dtype).itemsize * field.size


def _stored(example: example_pb2.Example, name: str) -> tuple[str, Sequence[Any]]:
    """The kind of a feature in a record, and its values; "" and none where it is not there."""
    there = example.features.feature
    kind = there[name].WhichOneof("kind") if name in there else None
    return (kind, getattr(there[name], kind).value) if kind else ("", ())


def _feature(name: str, column: Column, samples: Sequence[example_pb2.Example]) -> Feature:
    found = [_stored(sample, name) for sample in samples]
    kind = next((kind for kind, stored in found if stored), next((kind for kind, _ in found if kind), ""))
    if not kind:
        raise InvalidInput(
            f"feature {name!r} is empty and of no kind in the {len(samples)} records that were looked at",
            fix="name the other features under `columns`, so that it is left out",
        )
    stored = [values for other, values in found if other in (kind, "")]
    dtype = _dtype(name, kind, column, stored)
    counts = {_count(dtype, values) if kind == BYTES and dtype != STRING else len(values) for values in stored}
    shape = column.shape if column.shape is not None else None if column.any_length else _shape(counts)
    if shape is None:
        return Feature(Field(name, dtype, (), ragged=True), kind)
    return Feature(Field(name, dtype, tuple(shape)), kind)


def _dtype(name: str, kind: str, column: Column, stored: Sequence[Sequence[Any]]) -> str:
    """The dtype of the values as they are stored; what else `columns` asks for is cast later."""
    if kind != BYTES:
        return "float32" if kind == FLOATS else "int64"
    if column.dtype or column.jpeg:
        return "uint8" if column.dtype in (None, "bool") else column.dtype
    if all(_is_text(value) for values in stored for value in values):
        return STRING
    raise InvalidInput(f"feature {name!r} holds bytes that are no text", where=f"columns.{name}", fix=_NAME_IT)


def _count(dtype: str, values: Sequence[bytes]) -> int:
    return sum(map(len, values)) // np.dtype(dtype).itemsize


def _shape(counts: set[int]) -> tuple[int, ...] | None:
    """The shape of so many values; None where samples differ, or have none."""
    if len(counts) > 1 or 0 in counts:
        return None
    return () if counts == {1} else (counts.pop(),)


def _is_text(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True


def _differs(feature: Feature, kind: str, stored: Sequence[Any]) -> InvalidInput:
    name = feature.field.name
    return InvalidInput(
        f"feature {name!r} is {_said(kind, len(stored))} here, and should be {feature}",
        fix=f"write every record alike, or give the shape under columns.{name}",
    )


def _said(kind: str, count: int | None) -> str:
    named = {BYTES: "bytes", FLOATS: "float", INTS: "int64"}[kind]
    return f"{named} (any number of values)" if count is None else f"{named} ({count} value{'s' * (count != 1)})"


def fixed(features: Sequence[Feature]) -> bool:
    """Whether every record takes the same number of numbers, and no text."""
    return all(not feature.field.ragged and feature.field.dtype != STRING for feature in features)


def size_in_record(feature: Feature) -> int | None:
    """The bytes that a fixed feature's values take in a record; None for integers, which take as many as they need."""
    if feature.kind == INTS:
        return None
    return math.prod(feature.field.shape) * np.dtype(feature.field.dtype).itemsize
