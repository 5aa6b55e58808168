"""What one element of a dataset looks like, on the wire and after it landed."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

Number = Literal[
    "bool",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "int8",
    "int16",
    "int32",
    "int64",
    "float16",
    "float32",
    "float64",
]
"""The numbers that can travel, by numpy's names."""

NUMBERS: tuple[str, ...] = get_args(Number)
STRING = "string"
MAX_SIZE = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Landing:
    """What is done to a number when it arrives: `float32(x) * scale + offset`, rounded to `dtype`.

    It lets a compact dtype travel. Both ends call `wire.landing.land`, so a value cast on arrival is bit for
    bit the value that the worker would have sent.
    """

    dtype: str
    scale: float = 1.0
    offset: float = 0.0

    def __post_init__(self) -> None:
        if self.dtype not in NUMBERS:
            raise ValueError(f"nothing lands as {self.dtype!r}; known: {', '.join(NUMBERS)}")
        if not (math.isfinite(self.scale) and math.isfinite(self.offset)):
            raise ValueError(f"a landing's scale and offset are finite, got {self.scale} and {self.offset}")


@dataclass(frozen=True, slots=True)
class Field:
    """One named tensor of an element.

    dtype: as it travels, one of NUMBERS or "string".
    shape: of one sample, without the batch dimension. For a ragged field: of one item of the list.
    ragged: the sample is a list of any length of items of that shape.
    landing: what happens on arrival; None leaves the values as they travelled.
    """

    name: str
    dtype: str
    shape: tuple[int, ...] = ()
    ragged: bool = False
    landing: Landing | None = None

    def __post_init__(self) -> None:
        if self.dtype not in (*NUMBERS, STRING):
            known = ", ".join((*NUMBERS, STRING))
            raise ValueError(f"field {self.name!r}: dtype {self.dtype!r} cannot travel; known: {known}")
        if any(not isinstance(length, int) or length < 1 for length in self.shape) or self.size > MAX_SIZE:
            raise ValueError(
                f"field {self.name!r}: shape {self.shape} is not of lengths from 1 up to {MAX_SIZE} in all"
            )
        if self.dtype == STRING and self.landing:
            raise ValueError(f"field {self.name!r}: a string cannot be scaled or cast on arrival")

    @property
    def size(self) -> int:
        """Numbers in one sample (in one item, for a ragged field)."""
        return math.prod(self.shape)

    @property
    def landed_dtype(self) -> str:
        return self.landing.dtype if self.landing else self.dtype

    def __str__(self) -> str:
        shape = ("var, " if self.ragged else "") + ", ".join(map(str, self.shape))
        landed = f" lands as {self.landing.dtype}" if self.landing else ""
        return f"{self.name}: {self.dtype}({shape.rstrip(', ')}){landed}"


@dataclass(frozen=True, slots=True)
class ElementSpec:
    """The fields of an element, in the order in which a model takes them."""

    fields: tuple[Field, ...]
    _hash: int = dataclasses.field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        names = [field.name for field in self.fields]
        if len(set(names)) != len(names):
            raise ValueError(f"field names repeat: {names}")
        object.__setattr__(self, "_hash", hash(self.fields))

    def __hash__(self) -> int:
        """Kept, for what is looked up with each batch."""
        return self._hash

    def __str__(self) -> str:
        return "; ".join(map(str, self.fields))

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(field.name for field in self.fields)

    def landed(self) -> ElementSpec:
        """The same element as the model sees it, after arrival."""
        return ElementSpec(tuple(dataclasses.replace(f, dtype=f.landed_dtype, landing=None) for f in self.fields))


@dataclass(frozen=True, slots=True)
class Ragged:
    """A column of lists: sample i is `values[offsets[i]:offsets[i + 1]]`.

    values: (total, *shape) in the field's dtype. offsets: (rows + 1,) int64, rising from 0.
    """

    values: npt.NDArray[np.generic]
    offsets: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.offsets) - 1


Column = npt.NDArray[np.generic] | Ragged
"""(rows, *shape) in the field's dtype; strings as an object array of str; or a Ragged."""

Batch = Mapping[str, Column]
"""One batch: a column for each field, all with the same number of rows."""


def rows_of(batch: Batch) -> int:
    """The number of samples in a batch (0 for a batch without fields)."""
    return next((len(column) for column in batch.values()), 0)
