"""Pictures in folders, one folder a class: DATA_DIR/<class>/.../<name>.jpg."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np

from streamer.columns import check_rows
from streamer.order import Rows
from streamer.sources.files import find_local, resolve
from wire.elements import Column, ElementSpec, Field, Ragged
from wire.errors import InvalidInput

IMAGE, LABEL = "image", "label"
_ENDINGS = (".jpg", ".jpeg")


def is_picture(name: str) -> bool:
    """Whether a file of this name counts."""
    return name.lower().endswith(_ENDINGS)


class ClassFolders:
    """The bytes of picture files, and the number of each one's class: its folder's place among the sorted names.

    Files are read when they are asked for, and none is kept. Raises NotFound, InvalidInput for a picture outside a
    class folder, Refused outside `data_root`.
    """

    random = False
    spec = ElementSpec((Field(IMAGE, "uint8", ragged=True), Field(LABEL, "int64")))

    def __init__(self, data_dir: str, data_root: Path | None = None) -> None:
        folder = resolve(data_dir.removeprefix("file://"), data_root)
        if not folder.is_dir():
            raise InvalidInput(
                f"{folder} is no folder", where=f"data_dir {data_dir!r}", fix="name the folder with the class folders"
            )
        self._folder = folder
        found = find_local(str(folder), is_picture, ".jpg", data_root)
        for path in found:
            if path.parent == folder:
                raise InvalidInput(
                    "this picture is in no class folder", where=str(path), fix="move each picture into a class's folder"
                )
        self._files = sorted(found, key=lambda path: (self._class(path), path))
        self.classes = tuple(dict.fromkeys(map(self._class, self._files)))
        self.blocks = tuple(len(list(files)) for _, files in itertools.groupby(self._files, self._class))
        self._labels = np.repeat(np.arange(len(self.blocks), dtype=np.int64), self.blocks)

    def __len__(self) -> int:
        return len(self._files)

    def gather(self, rows: Rows) -> dict[str, Column]:
        """Bytes and class numbers of these rows, (n,) int64. Raises InvalidInput for a file that cannot be read."""
        check_rows(rows, len(self))
        read = [self._read(self._files[row]) for row in rows.tolist()]
        offsets = np.cumsum([0, *map(len, read)], dtype=np.int64)
        return {IMAGE: Ragged(np.frombuffer(b"".join(read), np.uint8), offsets), LABEL: self._labels[rows]}

    def describe(self) -> str:
        return f"pictures in folders, {len(self.classes):,} classes, {len(self):,} files, read as they are needed"

    def where(self, row: int) -> str:
        return str(self._files[row])

    def _class(self, path: Path) -> str:
        return path.relative_to(self._folder).parts[0]

    @staticmethod
    def _read(path: Path) -> bytes:
        try:
            return path.read_bytes()
        except OSError as error:
            raise InvalidInput(f"this picture cannot be read: {error.strerror}", where=str(path)) from error
