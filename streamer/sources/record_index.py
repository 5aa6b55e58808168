"""The index beside a TFRecord file: where its records are, so that nobody need walk over it.

magic, 8 bytes | version | size and mtime of the data file | records | CRC-32C of all the rest
| offsets, n int64 | lengths, n int64; all of it little-endian
"""

from __future__ import annotations

import errno
import logging
import os
import struct
from contextlib import suppress
from pathlib import Path

import google_crc32c
import numpy as np

from streamer.sources.files import check_inside
from streamer.sources.record_files import FOOTER, HEADER, Records, Stamp, offsets_of, scan, stamp_of
from wire.errors import Exhausted, Fault, InvalidInput, Refused

log = logging.getLogger(__name__)

_MAGIC, _VERSION = b"TFRINDEX", 1
_HEAD, _CRC = struct.Struct("<8sIqqq"), struct.Struct("<I")
_NUMBER = np.dtype("<i8")
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def index_path(path: Path) -> Path:
    """Where the index of a file is."""
    return path.with_name(f"{path.name}.index")


def locate(path: Path, data_root: Path | None = None) -> tuple[Records, str]:
    """Where the records of a file are, and why its index was of no use: "" where it was.

    Without an index the file is walked over. Raises InvalidInput for a file that cannot be read, Refused for an
    index outside `data_root`.
    """
    index = index_path(path)
    if not index.exists():
        return scan(path), "has no index"
    check_inside(index, data_root)
    try:
        return read_index(path), ""
    except InvalidInput as error:
        log.warning("%s: %s; the file is walked over instead; %s", error.where, error.what, error.fix)
        return scan(path), f"has an index that is of no use: {error.what}"


def read_index(path: Path) -> Records:
    """What the index of a file says. Raises InvalidInput for one that is damaged, or of another state of the file."""
    index = index_path(path)
    try:
        data = index.read_bytes()
    except OSError as error:
        raise _useless(index, f"it cannot be read: {error.strerror}") from error
    start = _HEAD.size + _CRC.size
    if len(data) < start or not data.startswith(_MAGIC):
        raise _useless(index, "it is no index of ours")
    _, version, size, mtime_ns, count = _HEAD.unpack_from(data)
    if version != _VERSION:
        raise _useless(index, f"it is of version {version}, not {_VERSION}")
    if Stamp(size, mtime_ns) != (stamp := stamp_of(path)):
        raise _useless(index, "the file was changed after it was indexed")
    crc = google_crc32c.extend(google_crc32c.value(data[: _HEAD.size]), data[start:])
    if _CRC.unpack_from(data, _HEAD.size) != (crc,) or len(data) - start != 2 * count * _NUMBER.itemsize:
        raise _useless(index, "it is damaged")
    offsets, lengths = np.frombuffer(data, _NUMBER, offset=start).astype(np.int64).reshape(2, count)
    if not _possible(offsets, lengths, size):
        raise _useless(index, "its records do not fill the file")
    return Records(path, stamp, offsets, lengths)


def build_index(path: Path, data_root: Path | None = None) -> Records:
    """Walk over a file, and write its index: whole, or not at all.

    Raises InvalidInput for a file that cannot be read; Refused for a file of the index's name that is none, or where
    nothing may be written; Exhausted where the disk is full.
    """
    index = index_path(path)
    check_inside(index, data_root)
    _refuse_foreign(index)
    records = scan(path)
    head = _HEAD.pack(_MAGIC, _VERSION, *records.stamp, len(records))
    body = records.offsets.astype(_NUMBER).tobytes() + records.lengths.astype(_NUMBER).tobytes()
    crc = google_crc32c.extend(google_crc32c.value(head), body)
    try:
        _replace(index, head + _CRC.pack(crc) + body)
    except OSError as error:
        kind: type[Fault] = Exhausted if error.errno in _FULL else Refused
        raise kind(
            f"the index cannot be written: {error.strerror}",
            where=str(index),
            fix="build it where the folder may be written; without it the file is walked over whenever it is opened",
        ) from error
    return records


def _possible(offsets: np.ndarray, lengths: np.ndarray, size: int) -> bool:
    if not len(lengths) or lengths.min() < 0 or not np.array_equal(offsets, offsets_of(lengths)):
        return False
    return int(offsets[-1] + lengths[-1]) + HEADER + FOOTER == size


def _refuse_foreign(index: Path) -> None:
    """Raises Refused for a file that somebody else keeps under the index's name."""
    try:
        with index.open("rb") as file:
            ours = file.read(len(_MAGIC)) in (_MAGIC, b"")
    except FileNotFoundError:
        return
    except OSError as error:
        raise Refused(f"this file cannot be read: {error.strerror}", where=str(index)) from error
    if not ours:
        raise Refused("this file is no index of ours, and is not written over", where=str(index), fix="move it away")


def _replace(target: Path, content: bytes) -> None:
    new = target.with_name(f".{target.name}.{os.getpid()}.new")
    try:
        with new.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        new.replace(target)
    except BaseException:
        with suppress(OSError):  # what went wrong first is what is told
            new.unlink()
        raise


def _useless(index: Path, why: str) -> InvalidInput:
    return InvalidInput(why, where=str(index), fix="run `streamer index` again")
