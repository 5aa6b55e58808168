"""How run.py ends: an error is one screen and exit code 1, Ctrl-C and SIGTERM are exit code 130."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType

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
        _end("interrupted", INTERRUPTED)
    except Interrupted as fault:
        _end(str(fault), INTERRUPTED)
    except Fault as fault:
        if "--traceback" in sys.argv:
            raise
        _end(fault.screen(), FAILED)


def heed_sigterm() -> None:
    """From now on a SIGTERM is a Ctrl-C, so that a run stops with a checkpoint; further ones are ignored.

    A batch system sends one when a job is preempted or its time is over, and a SIGKILL later. Where the user's code
    heeds it already, or this is not the main thread, nothing changes.
    """
    ours = threading.current_thread() is threading.main_thread()
    if ours and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _once)


def quiet_ctrl_c() -> None:
    """From now on a Ctrl-C that nobody catches is one line, where no one else has said how it should be shown."""
    if sys.excepthook is sys.__excepthook__:
        sys.excepthook = _without_traceback


def _once(_signum: int, _frame: FrameType | None) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise KeyboardInterrupt


def _without_traceback(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.stderr.write("interrupted\n")
    else:
        sys.__excepthook__(kind, error, trace)


def _end(text: str, code: int) -> None:
    sys.stdout.flush()
    sys.stderr.write(text + "\n")
    raise SystemExit(code)
