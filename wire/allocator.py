"""How the allocator treats memory that was freed: messages of megabytes come and go hundreds of times a second."""

from __future__ import annotations

import ctypes
import logging

log = logging.getLogger(__name__)

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_KEPT_BYTES = 64 * 2**20
_LARGEST_BYTES = 32 * 2**20
"""What glibc takes at most."""


def keep_freed_memory() -> None:
    """Keep up to 64 MiB that was freed, and blocks up to 32 MiB, for what comes next; where the library is glibc.

    Otherwise a message's memory may go back to the system and come again, page by page, with every message: that can
    cost as much processor time as all copies of the message together.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        log.debug("this C library has no mallopt; its allocator stays as it is")
        return
    mallopt(_TRIM_THRESHOLD, _KEPT_BYTES)
    mallopt(_MMAP_THRESHOLD, _LARGEST_BYTES)
