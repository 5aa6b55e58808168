"""Memory outside the wafer: tensors in files that have no name and are mapped, so that their pages come and go.

A view of such a tensor stays valid while its pages are away; who touches it gets them back. So what comes ahead of its
use and what goes after it is a matter of memory and time only, never of what is computed.
"""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import tempfile
from pathlib import Path

import numpy as np
import torch

from wire.errors import Exhausted, InvalidInput

_FILE_BYTES = 64 << 20
_MMAP_THRESHOLD = -3
_LARGE = 1 << 20
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class Region:
    """One tensor outside. bytes: of memory that it takes while it is here, whole pages."""

    __slots__ = ("_begin", "_file", "bytes", "tensor")

    def __init__(self, file: mmap.mmap, begin: int, shape: tuple[int, ...], dtype: torch.dtype) -> None:
        count = int(np.prod(shape, dtype=np.int64))
        self._file, self._begin = file, begin
        self.bytes = _pages(count * dtype.itemsize)
        if count:
            self.tensor = torch.frombuffer(file, dtype=dtype, count=count, offset=begin).reshape(shape)
        else:
            self.tensor = torch.empty(shape, dtype=dtype)

    def fetch(self) -> None:
        """Bring every page; other threads run meanwhile."""
        if self.bytes:
            self._file.madvise(mmap.MADV_WILLNEED, self._begin, self.bytes)
            np.frombuffer(self._file, np.uint8, self.bytes, self._begin)[:: mmap.PAGESIZE].max()

    def drop(self) -> None:
        """Let every page go; what was written stays in the file."""
        if self.bytes:
            self._file.madvise(mmap.MADV_DONTNEED, self._begin, self.bytes)


class Outside:
    """Makes regions, in files in a directory; they vanish with the process, however it ends."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._file: mmap.mmap | None = None
        self._used = 0

    def allocate(self, shape: tuple[int, ...], dtype: torch.dtype) -> Region:
        """A tensor of zeros. Raises Exhausted where the disk is full, InvalidInput where nothing can be written."""
        wanted = _pages(int(np.prod(shape, dtype=np.int64)) * dtype.itemsize)
        if self._file is None or self._used + wanted > len(self._file):
            self._file, self._used = self._mapped(max(wanted, _FILE_BYTES)), 0
        region = Region(self._file, self._used, shape, dtype)
        self._used += wanted
        return region

    def _mapped(self, size: int) -> mmap.mmap:
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self._directory) as file:
                os.posix_fallocate(file.fileno(), 0, size)  # a page without room on the disk would end the process
                return mmap.mmap(file.fileno(), size)
        except OSError as error:
            where = str(self._directory)
            if error.errno in _FULL:
                fix = "free space there, or choose another model_dir"
                raise Exhausted(
                    "the disk is full: weight streaming holds the weights there", where=where, fix=fix
                ) from error
            what = f"{error.strerror or error} while making room for the weights outside the wafer"
            raise InvalidInput(what, where=where, fix="choose another model_dir") from error


def return_freed_memory() -> None:
    """From here on large tensors that are freed leave the process at once, instead of waiting in its heap.

    Does nothing where the C library is not glibc, whose heap keeps what it has grown to.
    """
    setting = getattr(ctypes.CDLL(None), "mallopt", None)
    if setting is not None:
        setting(_MMAP_THRESHOLD, _LARGE)


def _pages(count: int) -> int:
    return -(-count // mmap.PAGESIZE) * mmap.PAGESIZE
