"""Pad: sequences of any length become rows of one length, with a mask beside them if one is wanted."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from streamer.recipe_column import Pad
from streamer.stages import Occasion
from wire.elements import STRING, Batch, Column, ElementSpec, Field, Landing, Ragged
from wire.errors import InvalidInput
from wire.landing import empty

_MASK, _LANDS_AS = "uint8", "int32"


class Padded:
    """A RowMap: column `name`, lists of numbers, becomes rows of `pad.to` of them.

    A mask travels as bytes, and lands as int32.
    """

    def __init__(self, name: str, pad: Pad) -> None:
        self._name, self._pad = name, pad

    def spec(self, spec: ElementSpec) -> ElementSpec:
        return ElementSpec(tuple(made for field in spec.fields for made in self._fields(field)))

    def apply(self, batch: Batch, occasion: Occasion) -> dict[str, Column]:
        made: dict[str, Column] = {}
        for name, column in batch.items():
            made[name] = column
            if name == self._name and isinstance(column, Ragged):
                lengths = self._lengths(column, occasion)
                made[name] = self._rows(column, lengths)
                if self._pad.mask:
                    made[self._pad.mask] = (np.arange(self._pad.to) < lengths[:, None]).view(np.uint8)
        return made

    def _fields(self, field: Field) -> Iterator[Field]:
        if field.name != self._name:
            yield field
            return
        if not field.ragged or field.dtype == STRING or field.shape:
            what = f"column {field.name!r} holds {field}, no lists of numbers"
            raise InvalidInput(what, where=f"columns.{field.name}.pad")
        check_holds(field, self._pad.fill, f"columns.{field.name}.pad.fill")
        yield Field(field.name, field.dtype, (self._pad.to,), landing=field.landing)
        if self._pad.mask:
            yield Field(self._pad.mask, _MASK, (self._pad.to,), landing=Landing(_LANDS_AS))

    def _lengths(self, column: Ragged, occasion: Occasion) -> npt.NDArray[np.int64]:
        lengths = np.diff(column.offsets)
        if not self._pad.cut and (lengths > self._pad.to).any():
            place = int(np.argmax(lengths > self._pad.to))
            raise InvalidInput(
                f"column {self._name!r} has {lengths[place]:,} items here; pad.to is {self._pad.to:,}",
                where=occasion.where(int(occasion.rows[place])),
                fix="raise pad.to, set pad.cut: True, or pass over a few such samples with `bad_samples: skip`",
            )
        return np.minimum(lengths, self._pad.to)

    def _rows(self, column: Ragged, lengths: npt.NDArray[np.int64]) -> npt.NDArray[np.generic]:
        rows = empty((len(column), self._pad.to), column.values.dtype)
        starts = column.offsets.tolist()
        for row, start, length in zip(rows, starts, lengths.tolist(), strict=False):
            row[:length] = column.values[start : start + length]
            row[length:] = self._pad.fill
        return rows


def check_holds(field: Field, number: int, where: str) -> None:
    """Raises InvalidInput where a field cannot hold a number that is to be written into it."""
    with np.errstate(all="ignore"):
        held = np.array(number).astype(field.dtype)
    if held != number:
        raise InvalidInput(f"column {field.name!r} is {field.dtype}, which cannot hold {number}", where=where)
