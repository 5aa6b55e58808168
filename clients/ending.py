"""How run.py ends: an error is one screen and exit code 1, Ctrl-C is exit code 130."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType

from clients.errors import Interrupted
from wire.errors import Fault

FAILED = 1
INTERRUPTED = 130


@contextmanager
def one_screen() -> Iterator[None]:
    """Ends the process with 1 after a Fault, which --traceback shows whole, and with 130 after Ctrl-C."""
    try:
        yield
    except KeyboardInterrupt:
        _end("stopped by Ctrl-C", INTERRUPTED)
    except Interrupted as fault:
        _end(str(fault), INTERRUPTED)
    except Fault as fault:
        if "--traceback" in sys.argv:
            raise
        _end(fault.screen(), FAILED)


def quiet_ctrl_c() -> None:
    """From now on a Ctrl-C that nobody catches is one line, where no one else has said how it should be shown."""
    if sys.excepthook is sys.__excepthook__:
        sys.excepthook = _without_traceback


def _without_traceback(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.stderr.write("stopped by Ctrl-C\n")
    else:
        sys.__excepthook__(kind, error, trace)


def _end(text: str, code: int) -> None:
    sys.stdout.flush()
    sys.stderr.write(text + "\n")
    raise SystemExit(code)
