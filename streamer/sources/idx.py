"""IDX: the format of the MNIST files, in torchvision's on-disk layout or bare, gzipped or not."""

from __future__ import annotations

import gzip
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from streamer.columns import Table, freeze
from streamer.order import Rows
from streamer.sources import Out
from streamer.sources.files import check_inside, resolve
from wire.elements import Column, ElementSpec, Field
from wire.errors import InvalidInput, NotFound

_DTYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_FILES = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}
_LARGEST = 1 << 34


class IdxSource:
    """Images and labels of one split: fields "image" and "label". All of it is held in memory.

    Raises NotFound, InvalidInput for a file that is damaged, Refused outside `data_root`.
    """

    random = False

    def __init__(self, data_dir: str, split: str = "train", data_root: Path | None = None) -> None:
        folder = resolve(data_dir, data_root)
        self._paths = [_find(folder, name, data_root) for name in _FILES[split]]
        images, labels = (freeze(read_idx(path)) for path in self._paths)
        if len(images) != len(labels):
            raise InvalidInput(f"{len(images):,} images but {len(labels):,} labels", where=str(self._paths[0].parent))
        self._table = Table({"image": images, "label": labels})
        self.spec = ElementSpec(
            (Field("image", images.dtype.name, images.shape[1:]), Field("label", labels.dtype.name, labels.shape[1:]))
        )
        self.blocks: tuple[int, ...] = (len(images),)

    def __len__(self) -> int:
        return len(self._table)

    def gather(self, rows: Rows) -> dict[str, Column]:
        return self._table.gather(rows)

    def gather_into(self, rows: Rows, out: Out) -> dict[str, Column]:
        """As `gather`, to these arrays."""
        return self._table.gather(rows, out)

    def describe(self) -> str:
        return f"IDX files in {self._paths[0].parent}, {len(self):,} rows, in memory"

    def where(self, row: int) -> str:
        return f"{self._paths[0]} row {row}"


def read_idx(path: Path) -> npt.NDArray[Any]:
    """The array in an IDX file, in the machine's byte order. Raises InvalidInput, naming the file."""
    data = _content(path)
    if len(data) < 4 or data[:2] != b"\0\0" or data[2] not in _DTYPES:
        raise InvalidInput("this is no IDX file: its first bytes are wrong", where=str(path))
    dtype, dimensions = np.dtype(_DTYPES[data[2]]), data[3]
    header = 4 + 4 * dimensions
    if not dimensions or len(data) < header:
        raise InvalidInput("the header of this IDX file is cut off", where=str(path))
    shape = struct.unpack_from(f">{dimensions}I", data, 4)
    expected = dtype.itemsize
    for size in shape:
        expected *= size
    if expected != len(data) - header:
        raise InvalidInput(
            f"the header says {shape}, which is {expected:,} bytes; the file holds {len(data) - header:,}",
            where=str(path),
            fix="fetch the file again",
        )
    array = np.frombuffer(data, dtype, offset=header).reshape(shape)
    return array.astype(dtype.newbyteorder("="))


def _content(path: Path) -> bytes:
    with path.open("rb") as file:
        if file.read(2) != b"\x1f\x8b":
            file.seek(0)
            return file.read()
    try:
        with gzip.open(path) as unpacked:
            data = unpacked.read(_LARGEST + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise InvalidInput(
            f"this gzip file is damaged: {error}", where=str(path), fix="fetch the file again"
        ) from error
    if len(data) > _LARGEST:
        raise InvalidInput(f"this file unpacks to more than {_LARGEST:,} bytes", where=str(path))
    return data


def _find(folder: Path, name: str, data_root: Path | None) -> Path:
    tried = [place / f"{name}{end}" for place in (folder / "MNIST" / "raw", folder) for end in ("", ".gz")]
    for path in tried:
        if path.is_file():
            check_inside(path, data_root)
            return path
    raise NotFound(
        f"no {name} in {folder}",
        where=f"looked for {', '.join(str(path.relative_to(folder)) for path in tried)}",
        fix="point data_dir at the folder that holds MNIST/raw, or the IDX files themselves",
    )
