"""NumPy files: .npz (one or several shards) and .npy (one file a column), never with pickled objects."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from streamer.columns import Table, freeze, join
from streamer.order import Rows
from streamer.sources import Out, locate_block
from streamer.sources.files import find
from wire.elements import NUMBERS, STRING, Column, ElementSpec, Field
from wire.errors import InvalidInput, NotFound

_DAMAGED = (OSError, EOFError, ValueError, zipfile.BadZipFile, zlib.error)


class NpzSource:
    """Arrays of equal length: the members of .npz files, which follow one another, or one .npy file for each field.

    .npy files are mapped, not read; .npz members are read into memory. Raises NotFound, InvalidInput naming the
    file and array, Refused outside `data_root`.
    """

    random = False

    def __init__(self, data_dir: str, data_root: Path | None = None) -> None:
        shards = _open(data_dir, data_root)
        self._names = list(shards)
        self.blocks = tuple(_rows_of(name, arrays) for name, arrays in shards.items())
        self.spec = _spec(shards)
        first = next(iter(shards.values()))
        columns = {name: join([arrays[name] for arrays in shards.values()]) for name in first}
        self._table = Table(columns)
        mapped = any(isinstance(column, np.memmap) for column in columns.values())
        self._kept = "mapped" if mapped else "in memory"

    def __len__(self) -> int:
        return len(self._table)

    def gather(self, rows: Rows) -> dict[str, Column]:
        """Rows (n,) int64 of every array."""
        return self._table.gather(rows)

    def gather_into(self, rows: Rows, out: Out) -> dict[str, Column]:
        """As `gather`, to these arrays."""
        return self._table.gather(rows, out)

    def describe(self) -> str:
        files = self._names[0] if len(self._names) == 1 else f"{len(self._names)} NumPy files"
        return f"{files}, {len(self):,} rows, {self._kept}"

    def where(self, row: int) -> str:
        shard, inside = locate_block(self.blocks, row)
        return f"{self._names[shard]} row {inside}"


Arrays = dict[str, npt.NDArray[Any]]


def _open(data_dir: str, data_root: Path | None) -> dict[str, Arrays]:
    """File or folder -> its arrays by name."""
    if data_dir.endswith(".npy"):
        _, single = find(data_dir, ".npy", data_root)
        return {data_dir: {Path(path).stem: _load_npy(path) for path in single}}
    try:
        _, paths = find(data_dir, ".npz", data_root)
    except NotFound:
        if not Path(data_dir).is_dir():
            raise
        _, columns = find(data_dir, ".npy", data_root)
        return {data_dir: {Path(path).stem: _load_npy(path) for path in columns}}
    return {path: _load_npz(path) for path in paths}


def _load_npy(path: str) -> npt.NDArray[Any]:
    try:
        array: npt.NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except _DAMAGED as error:
        raise InvalidInput(f"this .npy file cannot be read: {error}", where=path) from error
    return _fit(array, path)


def _load_npz(path: str) -> Arrays:
    try:
        with Path(path).open("rb") as file, np.load(file, allow_pickle=False) as members:
            return {name: freeze(_fit(members[name], f"{path} array {name!r}")) for name in members.files}
    except _DAMAGED as error:
        raise InvalidInput(f"this .npz file cannot be read: {error}", where=path) from error


def _fit(array: npt.NDArray[Any], where: str) -> npt.NDArray[Any]:
    if array.ndim == 0:
        raise InvalidInput("an array without a first dimension has no rows", where=where)
    if array.dtype.kind == "U":
        return array.astype(object)
    if array.dtype.name not in NUMBERS:
        raise InvalidInput(f"dtype {array.dtype.name} cannot travel; known: {', '.join(NUMBERS)}", where=where)
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))


def _rows_of(path: str, arrays: Arrays) -> int:
    lengths = {name: len(array) for name, array in arrays.items()}
    if len(set(lengths.values())) != 1:
        raise InvalidInput(f"the arrays have different lengths: {lengths or 'there is none'}", where=path)
    return next(iter(lengths.values()))


def _spec(shards: dict[str, Arrays]) -> ElementSpec:
    specs = {
        path: ElementSpec(tuple(Field(name, _dtype(array), array.shape[1:]) for name, array in arrays.items()))
        for path, arrays in shards.items()
    }
    first = next(iter(specs.values()))
    for path, spec in specs.items():
        if spec != first:
            raise InvalidInput(f"this file holds ({spec}), the first one ({first})", where=path)
    return first


def _dtype(array: npt.NDArray[Any]) -> str:
    return STRING if array.dtype == object else array.dtype.name
