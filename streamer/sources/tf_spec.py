"""What a tf.data.Dataset says of its batches, without running it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from streamer.structure import leaves
from wire.elements import NUMBERS, STRING, ElementSpec, Field
from wire.errors import InvalidInput
from wire.findings import Findings

_BATCHED = "end the dataset in input_fn with .batch(n, drop_remainder=True)"


@dataclass(frozen=True, slots=True)
class Layout:
    """The fields of a batch, and where TensorFlow has them.

    names: of the fields, and places: of each the number of its tensor among those of a batch. types, shapes: of these
    tensors, in TensorFlow's order.
    """

    spec: ElementSpec
    batch_size: int
    names: tuple[str, ...]
    places: tuple[int, ...]
    types: tuple[Any, ...]
    shapes: tuple[Any, ...]


def layout_of(element_spec: Any) -> Layout:
    """The layout of a dataset whose element_spec this is. A None in it, as for absent labels, is no field.

    Raises InvalidInput, saying what to change in input_fn, for a batch that is none, and for all fields that cannot
    travel.
    """
    flat = tf.nest.flatten(element_spec)
    numbered = tf.nest.pack_sequence_as(element_spec, list(range(len(flat))))
    fields = [(name, number) for name, number in leaves(numbered) if not isinstance(flat[number], tf.NoneTensorSpec)]
    tensors = [number for number, leaf in enumerate(flat) if not isinstance(leaf, tf.NoneTensorSpec)]
    findings, found = Findings(), []
    for name, number in fields:
        with findings:
            found.append(_field(name, flat[number]))
    with findings:
        _require_batches({name: flat[number] for name, number in fields})
    findings.settle()
    try:
        spec = ElementSpec(tuple(found))
    except ValueError as error:
        raise InvalidInput(str(error), fix="change it in input_fn") from error
    return Layout(
        spec,
        _batch_size({name: flat[number].shape[0] for name, number in fields}),
        spec.names,
        tuple(tensors.index(number) for _, number in fields),
        tuple(flat[number].dtype for number in tensors),
        tuple(flat[number].shape for number in tensors),
    )


def column_of(tensor: Any, name: str) -> npt.NDArray[Any]:
    """A tensor of a batch as a column, in the same memory; of strings a copy. Raises InvalidInput for bytes."""
    array: npt.NDArray[Any] = np.asarray(tensor)
    if array.dtype != object:
        return array
    try:
        texts = [text.decode() for text in array.ravel()]
    except UnicodeDecodeError as error:
        raise InvalidInput(
            f"field {name!r} holds bytes that are no text: {error}", fix="decode them in input_fn (tf.io.decode_raw)"
        ) from error
    return np.array(texts, dtype=object).reshape(array.shape)


def _field(name: str, leaf: Any) -> Field:
    if not isinstance(leaf, tf.TensorSpec):
        kind = type(leaf).__name__.removesuffix("Spec")
        remedies = {"RaggedTensor": "call .to_tensor(shape=...) on it", "SparseTensor": "call tf.sparse.to_dense on it"}
        remedy = remedies.get(kind, "give tensors only")
        raise InvalidInput(f"field {name!r} is a {kind}, which cannot travel", fix=f"{remedy} in a map of input_fn")
    _check_shape(name, leaf.shape)
    if leaf.dtype == tf.string:
        return Field(name, STRING, tuple(leaf.shape[1:]))
    if leaf.dtype.name not in NUMBERS:
        wanted = "tf.float32" if leaf.dtype.is_floating else f"one of {', '.join(NUMBERS)}"
        raise InvalidInput(
            f"field {name!r} has dtype {leaf.dtype.name}, which cannot travel",
            fix=f"tf.cast it to {wanted} in input_fn",
        )
    return Field(name, leaf.dtype.name, tuple(leaf.shape[1:]))


def _check_shape(name: str, shape: Any) -> None:
    if shape.rank is None:
        raise InvalidInput(
            f"nobody knows the shape of field {name!r}", fix="say it in a map of input_fn: tf.ensure_shape(x, ...)"
        )
    if shape.rank and None in tuple(shape)[1:]:
        raise InvalidInput(
            f"field {name!r} has shape {tuple(shape)}, so its samples may differ in shape",
            fix="use .padded_batch with padded_shapes, or say the shape in a map of input_fn: tf.ensure_shape(x, ...)",
        )


def _require_batches(leaves: dict[str, Any]) -> None:
    """Said of one field, as the others are batched by the same line."""
    for name, leaf in leaves.items():
        shape = getattr(leaf, "shape", None)
        if shape is not None and shape.rank == 0:
            raise InvalidInput(f"field {name!r} has no batch dimension", fix=_BATCHED)
        if shape is not None and shape.rank and shape[0] is None:
            raise InvalidInput(f"the batches of field {name!r} may have different sizes", fix=_BATCHED)


def _batch_size(sizes: dict[str, int]) -> int:
    if len(set(sizes.values())) > 1:
        told = ", ".join(f"{name!r} {size}" for name, size in sizes.items())
        raise InvalidInput(f"the fields of a batch have different numbers of samples: {told}", fix=_BATCHED)
    return next(iter(sizes.values()))
