"""What a stream has given in an epoch, as one short value that both ends of the wire can keep and compare.

A stream that is replayed to a cursor and gives another history than the one that was taken is not deterministic.
"""

from __future__ import annotations

import hashlib
import struct

from wire.cursor import Cursor

BEGINNING = b""
"""The history of an epoch of which nothing was taken yet."""

_SIZE = 16
_ENTRY = struct.Struct("<QQQQ")


def history_after(history: bytes, cursor: Cursor, digest: int) -> bytes:
    """The history, 16 bytes, once the batch at `cursor` with this digest was taken."""
    entry = _ENTRY.pack(cursor.stream, cursor.epoch, cursor.sequence, digest)
    return hashlib.blake2b(history + entry, digest_size=_SIZE).digest()


def digest_of(*parts: bytes | memoryview) -> int:
    """What a batch is, as 64 bits: a hash of these bytes."""
    hashed = hashlib.blake2b(digest_size=8)
    for part in parts:
        hashed.update(part)
    return int.from_bytes(hashed.digest(), "little")
