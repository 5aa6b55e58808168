"""Which line of a user's made a tf.data dataset. Datasets do not know; it is noted while the user's function runs."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, NamedTuple

from tensorflow.python.data.ops.dataset_ops import DatasetV2  # the class that makes each dataset, of V1 too

from streamer.user_code import is_library


class Line(NamedTuple):
    """A user's "data.py:12", and the name of what it called there. itself: that was the dataset's own class."""

    where: str
    called: str
    itself: bool


@contextmanager
def noted(lines: dict[int, Line]) -> Iterator[None]:
    """Note the line of each dataset that this thread makes, by the dataset's id, which is good while it lives."""
    made, thread = DatasetV2.__init__, threading.get_ident()

    def make(self: Any, *arguments: Any, **named: Any) -> None:
        made(self, *arguments, **named)
        if threading.get_ident() == thread:
            lines.pop(id(self), None)
            if (line := _line(self)) is not None:
                lines[id(self)] = line

    DatasetV2.__init__ = make
    try:
        yield
    finally:
        DatasetV2.__init__ = made


def _line(dataset: Any) -> Line | None:
    """The innermost line of the user's, and what it called; None where no caller is the user's."""
    frame: FrameType | None = sys._getframe(2)  # behind `make`
    code: CodeType | None = None
    first: Any = None
    while frame is not None and is_library(frame.f_code.co_filename):
        code, first = frame.f_code, frame.f_locals.get("self")
        frame = frame.f_back
    if frame is None or code is None:
        return None
    return Line(f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno}", code.co_name, first is dataset)
