"""What goes wrong while a graph runs, as an error that names the user's line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import tensorflow as tf

from clients.sources import model_errors, user_line, user_line_of
from wire.errors import Exhausted, InvalidInput

_PRIVATE = re.compile(r"\{\{.*?\}\}\s*|^\(\d+\)\s*\w+:\s*")
_NOISE = ("Graph execution error", "Detected at node", "Node:", "Traceback", "File ", "[[", "Original stack trace")


@contextmanager
def graph_errors(doing: str) -> Iterator[None]:
    """What user code or the graph raises, as InvalidInput or Exhausted. doing: one word, for the message."""
    with model_errors(doing):
        try:
            yield
        except tf.errors.ResourceExhaustedError as error:
            what = f"no room while {doing}: {_reason(error)}"
            raise Exhausted(what, where=_line(error), fix="make room on the disk, or lower batch_size") from error
        except tf.errors.OpError as error:
            what = f"{type(error).__name__} while {doing}: {_reason(error)}"
            raise InvalidInput(what, where=_line(error), fix="mend this line; --traceback shows more") from error


def _line(error: Any) -> str:
    """The user's line that the operation was made at; else the one that ran it."""
    frames = [] if error.op is None else _trace(error)
    made = user_line("\n".join(f'File "{frame.filename}", line {frame.lineno}' for frame in frames))
    return made or user_line(error.message) or user_line_of(error)


def _trace(error: Any) -> list[Any]:
    return list(error.op.traceback or ())


def _reason(error: Any) -> str:
    lines = (_PRIVATE.sub("", line.strip()).strip() for line in error.message.splitlines())
    return next((line for line in lines if line and not line.startswith(_NOISE)), "no message")
