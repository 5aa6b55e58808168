"""Reads records of TFRecord files at any place, each one checked against its checksums."""

from __future__ import annotations

import itertools
import threading
from collections import OrderedDict
from collections.abc import Sequence

import numpy as np

from streamer.sources.record_files import (
    AGAIN,
    CHECKSUM,
    FOOTER,
    HEADER,
    Numbers,
    OpenFile,
    Records,
    checksum,
    header_of,
)
from wire.errors import InvalidInput

_LONGEST_RUN = 1 << 22
_OPEN_FILES = 16


class RecordReader:
    """Reads from many threads at once; few of the files are open at a time."""

    def __init__(self, files: Sequence[Records]) -> None:
        self._files = files
        self._open: OrderedDict[int, OpenFile] = OrderedDict()
        self._lock = threading.Lock()

    def read(self, file: int, numbers: Numbers) -> list[bytes]:
        """The data of these records of a file, (n,) int64, in this order. Neighbours are read at once.

        Raises InvalidInput, naming file and record, for one whose checksum is wrong, and for a file that has changed.
        """
        opened, records = self._opened(file), self._files[file]
        begins, lengths = records.offsets[numbers], records.lengths[numbers]
        ends = begins + lengths + HEADER + FOOTER
        runs = _runs(begins, ends)
        starts, stops, sizes = begins.tolist(), ends.tolist(), lengths.tolist()
        found: list[bytes] = []
        for first, stop in runs:
            data, at = opened.read(starts[first], stops[stop - 1]), 0
            for length in sizes[first:stop]:
                content = _content(data, at, length)
                if content is None:
                    raise _damaged(records, int(numbers[len(found)]))
                found.append(content)
                at += HEADER + length + FOOTER
        return found

    def _opened(self, file: int) -> OpenFile:
        with self._lock:
            if (kept := self._open.get(file)) is not None:
                self._open.move_to_end(file)
                return kept
            records = self._files[file]
            opened = OpenFile(records.path)
            if opened.stamp != records.stamp:
                raise InvalidInput(
                    "this TFRecord file was changed after it was opened", where=str(records.path), fix="start again"
                )
            self._open[file] = opened
            if len(self._open) > _OPEN_FILES:
                self._open.popitem(last=False)
            return opened


def _runs(begins: Numbers, ends: Numbers) -> list[tuple[int, int]]:
    """Start and stop of the records that lie one after the other, and are not too many bytes to be read at once."""
    chunks = np.cumsum(ends - begins) // _LONGEST_RUN
    cuts = np.flatnonzero((begins[1:] != ends[:-1]) | (chunks[1:] != chunks[:-1])) + 1
    edges = [0, *cuts.tolist(), len(begins)]
    return list(itertools.pairwise(edges)) if len(begins) else []


def _content(data: bytes, at: int, length: int) -> bytes | None:
    """The data of the record of this length that begins at `at`; None where a checksum is wrong."""
    begin, end = at + HEADER, at + HEADER + length
    content = data[begin:end]
    if data[at:begin] != header_of(length) or data[end : end + FOOTER] != CHECKSUM.pack(checksum(content)):
        return None
    return content


def _damaged(records: Records, number: int) -> InvalidInput:
    return InvalidInput(
        f"record {number} is damaged: its checksum is wrong",
        where=f"{records.path} record {number}",
        fix=f"{AGAIN}; `bad_samples: skip` passes over a few such records",
    )
