"""Which line of the user's an operation of a graph comes from."""

from __future__ import annotations

from typing import Any

from clients.sources import innermost


def line_of(op: Any) -> str:
    """The user's line that made an operation; for one of the backward pass, the line it is the gradient of."""
    while getattr(op, "_original_op", None) is not None:
        op = op._original_op
    return innermost((frame.filename, frame.lineno) for frame in op.traceback)
