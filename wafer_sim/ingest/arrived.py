"""What a frame comes to when it arrives: its batches one by one, each with what the ledger will know of it."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from wafer_sim.ledger import Taken
from wire.codec import Frame
from wire.cursor import Cursor
from wire.elements import ElementSpec, Ragged
from wire.errors import InvalidInput

Arrays = tuple[npt.NDArray[np.generic], ...]


class Landings:
    """Counts the frames of one push that have landed, to the last batch.

    A duplicate that was dropped does not count: frames before it may still wait, and their places are not free.
    """

    def __init__(self) -> None:
        self.frames = 0


class Arrived(NamedTuple):
    """A batch as it came.

    columns: in the order of the spec's fields, as views; empty at the stream's end. host: the number of the push that
    brought it; it rises with each push of a stream. last_of: of that push, where the batch is the last of its frame.
    """

    taken: Taken
    columns: Arrays
    wire_bytes: int
    host: int
    end: bool
    last_of: Landings | None = None

    @property
    def cursor(self) -> Cursor:
        """Where the batch is."""
        return self.taken.cursor


def batches_of(frame: Frame, spec: ElementSpec, host: int, landings: Landings, wire_bytes: int) -> list[Arrived]:
    """The batches of a frame, with its bytes shared out among them to the last one. Raises InvalidInput."""
    if frame.end:
        return [Arrived(_account(frame), (), wire_bytes, host, end=True)]
    columns = zip(*(_parts(_dense(frame, field.name), frame.batches) for field in spec.fields), strict=True)
    share, rest = divmod(wire_bytes, frame.batches)
    arrived = [Arrived(t, c, share, host, end=False) for t, c in zip(_accounts(frame), columns, strict=True)]
    arrived[-1] = arrived[-1]._replace(wire_bytes=share + rest, last_of=landings)
    return arrived


def _account(frame: Frame) -> Taken:
    """Of a frame with one batch."""
    return Taken(
        frame.cursor,
        frame.following,
        frame.rows,
        frame.digests[0],
        frame.row_numbers,
        frame.bad,
        frame.loader_state,
    )


def _accounts(frame: Frame) -> list[Taken]:
    """Of each batch of a frame."""
    count = frame.batches
    if count == 1:
        return [_account(frame)]
    rows, cursors = frame.rows // count, frame.cursors()
    numbers = [None] * count if frame.row_numbers is None else _parts(frame.row_numbers, count)
    states = [b""] * (count - 1) + [frame.loader_state]
    return [
        Taken(cursors[i], cursors[i + 1], rows, digest, numbers[i], (), states[i])
        for i, digest in enumerate(frame.digests)
    ]


def _parts(column: npt.NDArray[Any], count: int) -> list[npt.NDArray[Any]]:
    """So many parts of the same length, as views."""
    return [column] if count == 1 else list(column.reshape(count, -1, *column.shape[1:]))


def _dense(frame: Frame, name: str) -> npt.NDArray[np.generic]:
    column = frame.batch[name]
    if isinstance(column, Ragged):
        raise InvalidInput(
            f"field {name!r} is ragged; the wafer takes tensors of one shape",
            where=str(frame.cursor),
            fix="pad it in the loader or in the recipe",
        )
    return column
