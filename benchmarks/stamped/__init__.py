"""The same service, whose batches carry the time at which they were ready at the worker: for benchmarks only."""

from __future__ import annotations

import struct
import time

_TIME = struct.Struct("<d")


def stamp() -> bytes:
    """The time now, by the clock that all processes of this machine share."""
    return _TIME.pack(time.monotonic())


def age(stamped: bytes) -> float:
    """Seconds since a stamp."""
    made: float = _TIME.unpack(stamped)[0]
    return time.monotonic() - made
