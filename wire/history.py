"""What a stream has given in an epoch, as one short value that both ends of the wire can keep and compare.

A stream that is replayed to a cursor and gives another history than the one that was taken is not deterministic.
The hashes are XXH3's: they tell mistakes apart, at the speed of memory, and are no defence against a forger.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

import xxhash

from wire.cursor import Cursor

BEGINNING = b""
"""The history of an epoch of which nothing was taken yet."""

_ENTRY = struct.Struct("<QQQQ")


def history_after(history: bytes, cursor: Cursor, digest: int) -> bytes:
    """The history, 16 bytes, once the batch at `cursor` with this digest was taken."""
    return history_over(history, cursor, (digest,))


def history_over(history: bytes, first: Cursor, digests: Sequence[int]) -> bytes:
    """The history once all of these batches were taken, which follow one another from `first` on."""
    for sequence, digest in enumerate(digests, first.sequence):
        history = xxhash.xxh3_128_digest(history + _ENTRY.pack(first.stream, first.epoch, sequence, digest))
    return history


def digest_of(*parts: bytes | memoryview) -> int:
    """What a batch is, as 64 bits: a hash of these bytes."""
    if len(parts) == 1:
        return xxhash.xxh3_64_intdigest(parts[0])
    hashed = xxhash.xxh3_64()
    for part in parts:
        hashed.update(part)
    return hashed.intdigest()
