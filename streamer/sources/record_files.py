"""TFRecord files: how they are called, and where each record of one is.

A record is: length, 8 bytes | its checksum, 4 bytes | data | its checksum, 4 bytes; all of it little-endian.
"""

from __future__ import annotations

import errno
import os
import re
import stat
import struct
import weakref
from array import array
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import google_crc32c
import numpy as np
import numpy.typing as npt

from wire.errors import Exhausted, InvalidInput

HEADER, FOOTER = 12, 4
_NAME = re.compile(r"\.tfrecords?(-\d+-of-\d+)?(\.(gz|gzip|zlib))?$|-\d+-of-\d+$")
CHECKSUM, _LENGTH = struct.Struct("<I"), struct.Struct("<Q")
_WINDOW, _LARGE = 1 << 18, 1 << 14
AGAIN = "fetch or write the file again"

Numbers = npt.NDArray[np.int64]


class Stamp(NamedTuple):
    """What tells that a file is still the one that was looked at: its size in bytes, and when it was last written."""

    size: int
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class Records:
    """Where the records of a file are. offsets, lengths: (n,) int64 bytes; a length is that of the data alone."""

    path: Path
    stamp: Stamp
    offsets: Numbers
    lengths: Numbers

    def __len__(self) -> int:
        return len(self.lengths)


def is_record_file(name: str) -> bool:
    """Whether a file is called as TFRecord files are: `x.tfrecord`, `x.tfrecords`, `x-00000-of-00010`."""
    return bool(_NAME.search(name))


def checksum(data: bytes) -> int:
    """The masked CRC-32C that TFRecord files store."""
    crc: int = google_crc32c.value(data)
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


@lru_cache(maxsize=4096)
def header_of(length: int) -> bytes:
    """The 12 bytes before data of this length."""
    packed = _LENGTH.pack(length)
    return packed + CHECKSUM.pack(checksum(packed))


def scan(path: Path) -> Records:
    """Find the records of a file by walking over their headers.

    Raises InvalidInput for a file that is empty, compressed, cut off, or damaged in a header.
    """
    file = OpenFile(path)
    size = file.stamp.size
    lengths, at, window, begin = array("q"), 0, b"", 0
    while at < size:
        if at + HEADER > begin + len(window):
            far = bool(lengths) and lengths[-1] > _LARGE
            window, begin = file.read(at, at + (HEADER if far else _WINDOW)), at
        head = window[at - begin : at - begin + HEADER]
        length = int.from_bytes(head[:8], "little")
        if len(head) < HEADER or head != header_of(length):
            raise _no_header(path, len(lengths), at, window[at - begin :])
        if at + HEADER + length + FOOTER > size:
            raise _cut_off(path, len(lengths))
        lengths.append(length)
        at += HEADER + length + FOOTER
    if not lengths:
        raise InvalidInput("this TFRecord file is empty", where=str(path), fix="leave it out, or write it again")
    found = np.array(lengths, dtype=np.int64)
    return Records(path, file.stamp, offsets_of(found), found)


def offsets_of(lengths: Numbers) -> Numbers:
    """Where records of these lengths begin, (n,) int64, when each follows the one before."""
    return np.cumsum(lengths + HEADER + FOOTER, dtype=np.int64) - (lengths + HEADER + FOOTER)


def stamp_of(path: Path) -> Stamp:
    """The stamp of a file. Raises InvalidInput where it is none, or cannot be looked at."""
    try:
        found = path.stat()
    except OSError as error:
        raise _unreadable(path, error) from error
    if not stat.S_ISREG(found.st_mode):
        raise InvalidInput("this is no file", where=str(path))
    return Stamp(found.st_size, found.st_mtime_ns)


class OpenFile:
    """A file that is open for as long as somebody holds this. stamp: as it was when it was opened."""

    def __init__(self, path: Path) -> None:
        stamp_of(path)  # a pipe would be waited for
        try:
            self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise _unreadable(path, error) from error
        weakref.finalize(self, os.close, self._fd)
        self._path = path
        found = os.fstat(self._fd)
        self.stamp = Stamp(found.st_size, found.st_mtime_ns)

    def read(self, begin: int, end: int) -> bytes:
        """The bytes from begin to end, fewer where the file ends. Raises InvalidInput where the disk fails."""
        try:
            data = os.pread(self._fd, end - begin, begin)
            while len(data) < end - begin and (more := os.pread(self._fd, end - begin - len(data), begin + len(data))):
                data += more
        except OSError as error:
            raise _unreadable(self._path, error) from error
        return data


def _no_header(path: Path, number: int, at: int, data: bytes) -> InvalidInput:
    if number == 0 and (kind := _compression(data)):
        return InvalidInput(
            f"this TFRecord file is {kind}-compressed, and can only be read from its start",
            where=str(path),
            fix="write it uncompressed: its records are then read in any order",
        )
    if len(data) < HEADER:
        return _cut_off(path, number)
    if number == 0:
        return InvalidInput("this is no TFRecord file, or its start is damaged", where=str(path), fix=AGAIN)
    return InvalidInput(
        f"the length of record {number} is damaged, and what follows cannot be found",
        where=f"{path} record {number}, byte {at:,}",
        fix=AGAIN,
    )


def _cut_off(path: Path, number: int) -> InvalidInput:
    return InvalidInput(f"this TFRecord file is cut off in record {number}", where=f"{path} record {number}", fix=AGAIN)


def _compression(data: bytes) -> str:
    if data[:3] == b"\x1f\x8b\x08":
        return "GZIP"
    zlib = data[:1] == b"\x78" and int.from_bytes(data[:2], "big") % 31 == 0
    return "ZLIB" if zlib and any(data[4:8]) else ""  # bytes 4 to 7 of a damaged length are 0


def _unreadable(path: Path, error: OSError) -> InvalidInput | Exhausted:
    kind = Exhausted if error.errno in (errno.EMFILE, errno.ENFILE) else InvalidInput
    return kind(f"this file cannot be read: {error.strerror}", where=str(path))
