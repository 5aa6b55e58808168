"""Memory that two processes of one machine share: one makes it, the other finds it through the operating system.

It has no name in any file system, so nothing is left of it once both are gone, however they went.
"""

from __future__ import annotations

import fcntl
import logging
import mmap
import os
import secrets
import weakref
from pathlib import Path

import numpy as np

from wire.payload import Bytes
from wire.v1 import ingest_pb2

log = logging.getLogger(__name__)

_KEY_BYTES = 16
_BOOT = Path("/proc/sys/kernel/random/boot_id")
_PROCESSES = Path("/proc/self/ns/pid")
_DESCRIPTOR = "/proc/{}/fd/{}"
_SEALS = ("F_SEAL_SHRINK", "F_SEAL_GROW", "F_SEAL_SEAL")


class SharedMemory:
    """Memory that this process offers to others: `size` bytes, of which a page is there once it is touched.

    memory: (size,) uint8. Raises OSError where this system has none.
    """

    def __init__(self, size: int) -> None:
        self._key = secrets.token_bytes(_KEY_BYTES)
        self._descriptor = os.memfd_create("stream", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        self._close = weakref.finalize(self, os.close, self._descriptor)
        os.pwrite(self._descriptor, self._key, size)
        # Or who finds it could cut it short, and this process would die of looking at it.
        fcntl.fcntl(self._descriptor, fcntl.F_ADD_SEALS, sum(getattr(fcntl, seal) for seal in _SEALS))
        self.memory: Bytes = np.frombuffer(mmap.mmap(self._descriptor, 0), np.uint8, size)

    def offer(self) -> ingest_pb2.SharedMemory:
        """How another process finds it, as long as it is not closed."""
        return ingest_pb2.SharedMemory(
            process=os.getpid(), descriptor=self._descriptor, size=len(self.memory), key=self._key
        )

    def close(self) -> None:
        """Let nobody find it any more. The memory itself stays as long as anybody looks at it. May be called again."""
        self._close()


def share(size: int) -> SharedMemory | None:
    """New memory; None where this system has none to share."""
    if not hasattr(os, "memfd_create"):
        return None
    try:
        return SharedMemory(size)
    except OSError as error:
        log.warning("no memory can be shared with workers, whose batches travel in messages: %s", error)
        return None


def find(offer: ingest_pb2.SharedMemory) -> Bytes | None:
    """The memory that another process offers, (size,) uint8; None where it is not to be seen from here."""
    try:
        with Path(_DESCRIPTOR.format(offer.process, offer.descriptor)).open("r+b", buffering=0) as file:
            if os.fstat(file.fileno()).st_size != offer.size + _KEY_BYTES:
                return None
            memory = mmap.mmap(file.fileno(), 0)
    except (OSError, ValueError) as error:
        log.info("the memory that the wafer process offers is not to be seen from here: %s", error)
        return None
    return np.frombuffer(memory, np.uint8, offer.size) if memory[offer.size :] == offer.key else None


def machine() -> str:
    """Names the machine whose processes can find each other's memory; "" where that is not to be known."""
    try:
        return f"{_BOOT.read_text().strip()} {_PROCESSES.readlink()}"
    except OSError:
        return ""
