"""Where the values lie in records of one length: many records are decoded at once, without parsing each.

Two records that are equal in every byte but those of the values are parsed alike, whatever the values are. So one
record is walked, and those like it are cut at the same places.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from streamer.sources.examples import BYTES, FLOATS, INTS, Feature, size_in_record

Bytes = npt.NDArray[np.uint8]
Places = npt.NDArray[np.intp]

_KINDS = {1: BYTES, 2: FLOATS, 3: INTS}
_LENGTH_DELIMITED = 2
_LONGEST_VARINT = 10


class _UnusualError(ValueError):
    """A record that is not laid out in the way this file knows. It may be a good one all the same."""


@dataclass(frozen=True, slots=True)
class Layout:
    """structure: places of a record that are not values. skeleton: the bytes there. spans: feature -> its values."""

    structure: Places
    skeleton: Bytes
    spans: dict[str, tuple[int, int]]

    def fits(self, records: Bytes) -> npt.NDArray[np.bool_]:
        """Which records, of (n, length) bytes, are laid out like this: (n,)."""
        found: npt.NDArray[np.bool_] = (records[:, self.structure] == self.skeleton).all(axis=1)
        return found

    def fill(self, columns: dict[str, npt.NDArray[Any]], places: Places, records: Bytes, kinds: dict[str, str]) -> bool:
        """Put the values of records that fit into these places of the columns; False where integers are not as many."""
        decoded = {}
        for name, (start, stop) in self.spans.items():
            if kinds[name] == INTS:
                values = varints(records[:, start:stop], columns[name][0].size)
                if values is None:
                    return False
                decoded[name] = values
        for name, (start, stop) in self.spans.items():
            flat = columns[name].reshape(len(columns[name]), -1)
            if name in decoded:
                flat[places] = decoded[name]
            else:
                flat.view(np.uint8)[places] = records[:, start:stop]
        return True


def learn(record: bytes, features: Sequence[Feature]) -> Layout | None:
    """The layout of which this record is an example; None for one whose features are not simply laid out."""
    try:
        found = _walk(record)
    except (_UnusualError, IndexError):
        return None
    spans = {}
    for feature in features:
        kind, values = found.get(feature.field.name.encode(), ("", []))
        size = size_in_record(feature)
        if kind != feature.kind or len(values) != 1 or size not in (None, values[0][1] - values[0][0]):
            return None
        spans[feature.field.name] = values[0]
    structural = np.ones(len(record), dtype=bool)
    for _, values in found.values():
        for start, stop in values:
            structural[start:stop] = False
    places = np.flatnonzero(structural)
    return Layout(places, np.frombuffer(record, np.uint8)[places], spans)


def varints(encoded: Bytes, count: int) -> npt.NDArray[np.int64] | None:
    """Records of (n, size) bytes as (n, count) numbers; None unless each holds exactly so many, rightly encoded."""
    if encoded.shape[1] == count and not (encoded & 0x80).any():
        return encoded.astype(np.int64)
    ends = encoded < 0x80
    if encoded.shape[1] < count or not ends[:, -1].all() or (ends.sum(axis=1) != count).any():
        return None
    flat = encoded.ravel()
    stops = np.flatnonzero(ends.ravel())
    starts = np.concatenate([np.zeros(1, np.intp), stops[:-1] + 1])
    widths = stops - starts + 1
    if widths.max() > _LONGEST_VARINT or (flat[stops[widths == _LONGEST_VARINT]] > 1).any():
        return None
    shifts = (np.arange(len(flat)) - np.repeat(starts, widths)).astype(np.uint64) * np.uint64(7)
    numbers = np.add.reduceat((flat & 0x7F).astype(np.uint64) << shifts, starts)
    return numbers.view(np.int64).reshape(-1, count)


def _walk(record: bytes) -> dict[bytes, tuple[str, list[tuple[int, int]]]]:
    """Each feature's kind, and where its values are. Raises _UnusualError."""
    found: dict[bytes, tuple[str, list[tuple[int, int]]]] = {}
    (inside,) = _only(record, 1, (0, len(record)))
    for entry in _only(record, 1, inside, many=True):
        parts = dict(_parts(record, *entry))
        if [number for number, _ in _parts(record, *entry)] not in ([1, 2], [2, 1]):
            raise _UnusualError
        name = record[slice(*parts[1])]
        ((number, values),) = _exactly_one(_parts(record, *parts[2]))
        if name in found or number not in _KINDS:
            raise _UnusualError
        spans = _only(record, 1, values, many=number == 1)
        if _KINDS[number] == FLOATS and (spans[0][1] - spans[0][0]) % 4:
            raise _UnusualError
        found[name] = (_KINDS[number], spans)
    return found


def _only(record: bytes, number: int, span: tuple[int, int], *, many: bool = False) -> list[tuple[int, int]]:
    """The spans of the fields in a message that has this field only, and once unless `many`."""
    parts = list(_parts(record, *span))
    if any(other != number for other, _ in parts) or (len(parts) != 1 and not many):
        raise _UnusualError
    return [part for _, part in parts]


def _exactly_one(parts: Iterator[tuple[int, tuple[int, int]]]) -> list[tuple[int, tuple[int, int]]]:
    found = list(parts)
    if len(found) != 1:
        raise _UnusualError
    return found


def _parts(record: bytes, start: int, stop: int) -> Iterator[tuple[int, tuple[int, int]]]:
    """Number and span of each field of a message, all of which have a length."""
    while start < stop:
        tag, start = _number(record, start)
        length, start = _number(record, start)
        if tag & 7 != _LENGTH_DELIMITED or start + length > stop:
            raise _UnusualError
        yield tag >> 3, (start, start + length)
        start += length


def _number(record: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while record[at] & 0x80:
        value |= (record[at] & 0x7F) << shift
        at, shift = at + 1, shift + 7
    return value | record[at] << shift, at + 1
