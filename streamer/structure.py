"""The structure of a user's batch, flattened to named fields."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from wire.elements import NUMBERS
from wire.errors import InvalidInput

_ALONE = "0"


def flatten(batch: object) -> dict[str, npt.NDArray[Any]]:
    """The arrays of nested tuples, lists, dicts and dataclass-like named tuples, named by their path.

    A tuple (images, labels) gives "0" and "1", {"x": {"ids": ...}} gives "x.ids", a single array gives "0". Tensors
    become arrays that share their memory; Python numbers and strings become arrays too. Raises InvalidInput for
    anything else, naming the field.
    """
    return {name: as_array(leaf, name) for name, leaf in leaves(batch)}


def names(batch: object) -> tuple[str, ...]:
    """The names that `flatten` gives the fields of this batch, in order."""
    return tuple(name for name, _ in leaves(batch))


def as_array(value: object, name: str) -> npt.NDArray[Any]:
    """A tensor, array, number or string, or a list of strings, as an array. Raises InvalidInput, naming the field."""
    if hasattr(value, "detach"):
        return _from_tensor(value, name)
    if isinstance(value, list):
        return np.array(value, dtype=object)
    array = np.asarray(value)
    if array.dtype.kind == "U":
        return array.astype(object)
    _check_dtype(array.dtype.name, name)
    return array


def _from_tensor(tensor: Any, name: str) -> npt.NDArray[Any]:
    _check_dtype(str(tensor.dtype).removeprefix("torch."), name)
    if str(tensor.layout) != "torch.strided":
        raise InvalidInput(f"field {name!r} is a {tensor.layout} tensor", fix="call .to_dense() on it in the dataset")
    array: npt.NDArray[Any] = tensor.detach().cpu().numpy()
    return array


def _check_dtype(dtype: str, name: str) -> None:
    if dtype not in NUMBERS:
        hint = "cast it to float16 or float32 in the dataset; the wafer computes in its own dtype anyway"
        fix = hint if dtype == "bfloat16" else f"use one of {', '.join(NUMBERS)}"
        raise InvalidInput(f"field {name!r} has dtype {dtype}, which cannot travel", fix=fix)


def leaves(value: object, path: str = "") -> Iterator[tuple[str, Any]]:
    """The leaves of a structure by their path, in order, whatever they are."""
    children = _children(value)
    if children is None:
        yield path or _ALONE, value
        return
    for key, child in children:
        yield from leaves(child, f"{path}.{key}" if path else key)


def _children(value: object) -> list[tuple[str, object]] | None:
    """The parts of a structure by name; None for a leaf."""
    if isinstance(value, Mapping):
        return [(str(key), child) for key, child in value.items()]
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return list(zip(value._fields, value, strict=True))
    if isinstance(value, tuple) or (isinstance(value, list) and not _is_column(value)):
        return [(str(number), child) for number, child in enumerate(value)]
    return None


def _is_column(value: list[object]) -> bool:
    """A list of strings is a column of them, as torch's default_collate leaves it."""
    return bool(value) and all(isinstance(item, str) for item in value)
