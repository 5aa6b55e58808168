"""What shape rules work on: operands, and the dtype that several of them give together."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from wafer_sim.graph.kernel_graph import Spec


@dataclass(frozen=True, slots=True)
class Operand:
    """A value that a call reads or makes. value: its numbers, where the compiler knows them (axes, lengths)."""

    shape: tuple[int, ...]
    dtype: str
    value: npt.NDArray[Any] | None = None

    @property
    def rank(self) -> int:
        return len(self.shape)

    @property
    def elements(self) -> int:
        return math.prod(self.shape)

    @property
    def spec(self) -> Spec:
        return Spec(self.shape, self.dtype)


MOST_PARTS = 1 << 16

Result = tuple[Operand, ...]

_FLOATS = ("float16", "float32", "float64")
_SIGNED = ("int8", "int16", "int32", "int64")


def is_float(dtype: str) -> bool:
    """Whether it is a dtype of fractions, of any width."""
    return "float" in dtype


def broadcast(shapes: Iterable[Sequence[int]]) -> tuple[int, ...]:
    """The shape of shapes together. Raises ValueError where they do not fit."""
    return tuple(int(n) for n in np.broadcast_shapes(*(tuple(shape) for shape in shapes)))


def axis(number: int, rank: int) -> int:
    """An axis counted from the front. Raises ValueError for one that there is not."""
    if not -max(rank, 1) <= number < max(rank, 1):
        raise ValueError(f"there is no axis {number} in {rank} dimensions")
    return number % max(rank, 1)


def reduced(shape: Sequence[int], axes: Iterable[int], keep: bool) -> tuple[int, ...]:
    """A shape without these axes; `keep` leaves them with length 1."""
    gone = {axis(a, len(shape)) for a in axes}
    return tuple(1 if i in gone else n for i, n in enumerate(shape) if keep or i not in gone)


def filled(shape: Sequence[int], elements: int) -> tuple[int, ...]:
    """A shape with its -1 replaced by what is left. Raises ValueError where it has not so many elements."""
    given = math.prod(n for n in shape if n != -1)
    known = tuple(int(n if n != -1 else elements // max(given, 1)) for n in shape)
    if math.prod(known) != elements:
        raise ValueError(f"{elements} elements are not {list(shape)}")
    return known


def parts(count: int) -> int:
    """How many parts a value is split into. Raises ValueError for more than a program can name."""
    if not 0 <= count <= MOST_PARTS:
        raise ValueError(f"a value in {count} parts")
    return count


def _kind(dtype: str) -> int:
    return 0 if dtype == "bool" else 1 if "int" in dtype else 2


def joined(one: str, other: str) -> str:
    """The dtype that holds both, as PyTorch promotes."""
    if one == other:
        return one
    low, high = sorted((one, other), key=_kind)
    if _kind(low) != _kind(high):
        return high
    if _kind(high) == 2:
        return (
            "float32"
            if "bfloat16" in (one, other) and "float64" not in (one, other)
            else max((d for d in (one, other) if d in _FLOATS), key=_FLOATS.index)
        )
    return str(np.promote_types(one, other))


def promoted(operands: Sequence[Any]) -> str:
    """The dtype of an elementwise operation's result: tensors with dimensions decide, then others, then numbers."""
    ranked = [o.dtype for o in operands if isinstance(o, Operand) and o.rank]
    single = [o.dtype for o in operands if isinstance(o, Operand) and not o.rank]
    numbers = [
        "bool" if isinstance(o, bool) else "int64" if isinstance(o, int) else "float32"
        for o in operands
        if isinstance(o, bool | int | float)
    ]
    result: str | None = None
    for group in (ranked, single, numbers):
        if not group:
            continue
        found = group[0]
        for dtype in group[1:]:
            found = joined(found, dtype)
        if result is None or _kind(found) > _kind(result):
            result = found
    return result or "float32"
