"""How a process of that time ends with an error of ours: one screen, as run.py of today does."""

from __future__ import annotations

import os
import sys
from types import TracebackType


def one_screen_each() -> None:
    """From now on a Fault that nobody catches is one screen on stderr; WAFER_TRACEBACK=1 shows where it came from."""
    before = sys.excepthook

    def show(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        errors = sys.modules.get("wire.errors")
        if errors is not None and isinstance(error, errors.Fault) and not os.environ.get("WAFER_TRACEBACK"):
            sys.stdout.flush()
            sys.stderr.write(f"{error.screen()}\n")
        else:
            before(kind, error, trace)

    sys.excepthook = show
