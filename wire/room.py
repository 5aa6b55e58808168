"""Where a payload is made at once, and not copied to: in shared memory, or in the message that carries it."""

from __future__ import annotations

from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

import numpy as np
import numpy.typing as npt

from wire.elements import Batch
from wire.payload import Bytes, Layout


class Envelope:
    """The bytes of a message with one payload, which begins at `head`; they may be written to message after message.

    gRPC takes nothing but bytes. A BytesIO gives those that it has without copying them, once nobody can write to them
    any more, and copies them before they are written to again while somebody still holds them: what was sent never
    changes.
    """

    def __init__(self, head: int, size: int) -> None:
        self.head, self.size = head, size
        self._file = BytesIO(bytes(head + size))

    def __len__(self) -> int:
        return self.head + self.size

    @property
    def is_free(self) -> bool:
        """Whether nobody can write to an earlier message any more."""
        try:
            self._file.write(b"")
        except BufferError:
            return False
        return True

    def payload(self) -> Bytes:
        """(size,) uint8, to be written to; of an envelope that is free."""
        return np.frombuffer(self._file.getbuffer(), np.uint8)[self.head :]

    def begin(self, beginning: bytes) -> None:
        """What stands before the payload, at most `head` bytes."""
        self._file.getbuffer()[: len(beginning)] = beginning

    def message(self) -> bytes:
        """All of it; not copied where nothing is left that was given to write to."""
        return self._file.getvalue()


@dataclass(frozen=True, slots=True, eq=False)
class Room:
    """Memory of one payload. columns: (rows, *shape) of each field, views on it that are to be written to.

    place: where it begins in shared memory. envelope: the message that it is in. One of both.
    """

    layout: Layout
    memory: Bytes
    place: int | None = None
    envelope: Envelope | None = None
    columns: dict[str, npt.NDArray[Any]] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "columns", self.layout.columns(self.memory))

    def fill(self, batch: Batch) -> bool:
        """Make the payload of a batch; what lies here already is not copied. False where it is not of this layout."""
        columns = {name: column for name, column in batch.items() if isinstance(column, np.ndarray)}
        if any(name not in columns or not _is_alike(view, columns[name]) for name, view in self.columns.items()):
            return False
        for name, view in self.columns.items():
            if not _is_same(view, columns[name]):
                np.copyto(view, columns[name])
        self.layout.write_around(self.memory)
        return True


def _is_alike(view: npt.NDArray[Any], column: npt.NDArray[Any]) -> bool:
    return (column.dtype, column.shape) == (view.dtype, view.shape)


def _is_same(view: npt.NDArray[Any], column: npt.NDArray[Any]) -> bool:
    """Whether two arrays of one dtype and shape are the same memory."""
    mine, other = view.__array_interface__, column.__array_interface__
    return bool(mine["data"][0] == other["data"][0] and column.flags.c_contiguous)
