"""Columns of many tf.train.Example records: at once where the records are laid out alike, else one by one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from streamer.sources.example_layouts import Bytes, Layout, learn
from streamer.sources.examples import Feature, fixed, parse, values_of
from wire.elements import STRING, Column, Ragged
from wire.errors import Fault

_FEWEST = 4
_LAYOUTS_OF_A_LENGTH, _LENGTHS = 8, 256

Where = Callable[[int], str]


class ExampleDecoder:
    """Decodes records with these features. What it learns of their layout is shared by the threads that use it."""

    def __init__(self, features: Sequence[Feature]) -> None:
        self._features = tuple(features)
        self._kinds = {feature.field.name: feature.kind for feature in features}
        self._fixed = fixed(self._features)
        self._layouts: dict[int, tuple[Layout, ...]] = {}

    def decode(self, records: Sequence[bytes], where: Where) -> dict[str, Column]:
        """The records as columns. where: names the record at a place, for the error.

        Raises InvalidInput for the first record that is no Example with these features.
        """
        if not self._fixed:
            return self._one_by_one(records, where)
        columns: dict[str, npt.NDArray[Any]] = {
            feature.field.name: np.empty((len(records), *feature.field.shape), feature.field.dtype)
            for feature in self._features
        }
        for place in self._alike(records, columns):
            for feature, values in zip(self._features, self._values(records, place, where), strict=True):
                columns[feature.field.name][place] = values
        return {**columns}

    def _values(self, records: Sequence[bytes], place: int, where: Where) -> list[npt.NDArray[Any]]:
        try:
            example = parse(records[place])
            return [values_of(feature, example) for feature in self._features]
        except Fault as fault:
            fault.where = where(place)
            raise

    def _one_by_one(self, records: Sequence[bytes], where: Where) -> dict[str, Column]:
        rows = [self._values(records, place, where) for place in range(len(records))]
        return {
            feature.field.name: _column(feature, [row[number] for row in rows])
            for number, feature in enumerate(self._features)
        }

    def _alike(self, records: Sequence[bytes], columns: dict[str, npt.NDArray[Any]]) -> list[int]:
        """Decode the records whose layout is known or can be learned; the places of the others, in order."""
        groups: dict[int, list[int]] = {}
        for place, record in enumerate(records):
            groups.setdefault(len(record), []).append(place)
        left: list[int] = []
        for length, places in groups.items():
            if len(places) < _FEWEST or not length:
                left += places
                continue
            group = records if len(places) == len(records) else [records[place] for place in places]
            matrix = np.frombuffer(b"".join(group), np.uint8).reshape(-1, length)
            left += self._group(matrix, np.array(places), columns).tolist()
        return sorted(left)

    def _group(
        self, matrix: Bytes, places: npt.NDArray[np.intp], columns: dict[str, npt.NDArray[Any]]
    ) -> npt.NDArray[np.intp]:
        """Decode records of one length, (n, length) bytes; the places of those that have to be parsed."""
        tried = 0
        while len(places) and (layout := self._layout(matrix, tried)) is not None:
            tried += 1
            fits = layout.fits(matrix)
            if fits.all():
                return places[:0] if layout.fill(columns, places, matrix, self._kinds) else places
            if fits.any() and not layout.fill(columns, places[fits], matrix[fits], self._kinds):
                return places
            matrix, places = matrix[~fits], places[~fits]
        return places

    def _layout(self, matrix: Bytes, number: int) -> Layout | None:
        """The layout of this number for records of a length; a new one is learned from the first record."""
        length = matrix.shape[1]
        known = self._layouts.get(length, ())
        if number < len(known):
            return known[number]
        if number >= _LAYOUTS_OF_A_LENGTH or (not known and len(self._layouts) >= _LENGTHS):
            return None
        layout = learn(matrix[0].tobytes(), self._features)
        if layout is not None:
            self._layouts[length] = (*known, layout)
        return layout


def _column(feature: Feature, rows: list[npt.NDArray[Any]]) -> Column:
    field = feature.field
    dtype = object if field.dtype == STRING else field.dtype
    if not field.ragged:
        column = np.empty((len(rows), *field.shape), dtype)
        for place, values in enumerate(rows):
            column[place] = values[()] if not field.shape else values
        return column
    offsets = np.cumsum([0, *map(len, rows)], dtype=np.int64)
    return Ragged(np.concatenate(rows) if rows else np.empty(0, dtype), offsets)
