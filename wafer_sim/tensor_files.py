"""Files of tensors in the format of safetensors, written and read one tensor at a time.

The library packs a whole file in memory; a model that is streamed is larger than that. What is written here is, byte
for byte, what the library writes.
"""

from __future__ import annotations

import json
import mmap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Tensors = Mapping[str, npt.NDArray[Any]]

_DTYPES = {
    "F64": "<f8",
    "F32": "<f4",
    "F16": "<f2",
    "I64": "<i8",
    "I32": "<i4",
    "I16": "<i2",
    "I8": "|i1",
    "U64": "<u8",
    "U32": "<u4",
    "U16": "<u2",
    "U8": "|u1",
    "BOOL": "|b1",
}
_RANK = ("U64", "I64", "F64", "F32", "U32", "I32", "F16", "U16", "I16", "I8", "U8", "BOOL")
_NAMES = {np.dtype(text): name for name, text in _DTYPES.items()}
_LENGTH = 8


class NotTensorsError(ValueError):
    """A file that holds something else."""


def pieces(tensors: Tensors) -> Iterator[bytes | memoryview]:
    """The content of a file, in order. Each tensor is looked at twice; no more than one is held at a time.

    Raises TypeError for a dtype that the format has not.
    """
    known = {name: _described(array) for name, array in tensors.items()}
    order = sorted(known, key=lambda name: (_RANK.index(known[name][0]), name))
    header: dict[str, Any] = {}
    end = 0
    for name in order:
        dtype, shape, size = known[name]
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [end, end + size]}
        end += size
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % _LENGTH)
    yield len(text).to_bytes(_LENGTH, "little") + text
    for name in order:
        if known[name][2]:
            yield _plain(tensors[name]).reshape(-1).view(np.uint8).data


def _described(array: npt.NDArray[Any]) -> tuple[str, list[int], int]:
    dtype = array.dtype.newbyteorder("<")
    if dtype not in _NAMES:
        raise TypeError(f"a file of tensors holds no {array.dtype}")
    return _NAMES[dtype], list(array.shape), array.nbytes


def _plain(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return np.ascontiguousarray(array, array.dtype.newbyteorder("<"))


class TensorFile(Mapping[str, npt.NDArray[Any]]):
    """The tensors of a file; each is read when it is asked for, and is a copy.

    The file may be removed meanwhile. Raises NotTensorsError for one that is no file of tensors, and OSError.
    """

    def __init__(self, path: Path) -> None:
        with path.open("rb") as file:
            try:
                self._file = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            except ValueError as error:
                raise NotTensorsError("it is empty") from error
        self._begin = _LENGTH + int.from_bytes(self._file[:_LENGTH], "little")
        try:
            header = json.loads(self._file[_LENGTH : self._begin])
            self._entries = {str(name): _Entry(entry) for name, entry in header.items() if name != "__metadata__"}
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise NotTensorsError(f"its header is damaged: {type(error).__name__}: {error}") from error
        if any(entry.last > len(self._file) - self._begin for entry in self._entries.values()):
            raise NotTensorsError("a tensor reaches beyond its end")

    def __getitem__(self, name: str) -> npt.NDArray[Any]:
        entry = self._entries[name]
        made = np.empty(entry.shape, entry.dtype)
        if made.size:
            there = np.frombuffer(self._file, entry.dtype, made.size, self._begin + entry.first)
            np.copyto(made, there.reshape(entry.shape))
            self._forget()
        return made

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def _forget(self) -> None:
        """What was read stays in the system's cache, and counts as this process's memory no longer."""
        self._file.madvise(mmap.MADV_DONTNEED)


class _Entry:
    """Where a tensor is in a file. Raises ValueError where its size is not that of its shape."""

    def __init__(self, entry: Mapping[str, Any]) -> None:
        self.dtype = np.dtype(_DTYPES[entry["dtype"]])
        self.shape = tuple(int(dim) for dim in entry["shape"])
        self.first, self.last = (int(offset) for offset in entry["data_offsets"])
        count = int(np.prod(self.shape, dtype=object)) if self.shape else 1
        if self.first < 0 or min(self.shape, default=0) < 0 or self.last - self.first != count * self.dtype.itemsize:
            raise ValueError(f"a tensor of shape {self.shape} is said to have {self.last - self.first} bytes")
