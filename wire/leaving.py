"""Being told to leave: by a signal, or by the end of standard input when a parent is gone."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from queue import SimpleQueue
from types import FrameType


def leave_when_told(leave: Callable[[], None], signals: Sequence[signal.Signals], *, at_eof: bool = False) -> None:
    """Call `leave` in a thread of its own at each of these signals and, `at_eof`, when standard input ends.

    A handler runs between two instructions of the main thread, which may hold the very lock that `leave` needs; so
    it only leaves word, in a queue whose `put` may be interrupted by itself. Called in the main thread.
    """
    told: SimpleQueue[None] = SimpleQueue()

    def note(_signum: int, _frame: FrameType | None) -> None:
        told.put(None)

    for number in signals:
        signal.signal(number, note)
    threading.Thread(target=_heed, args=(told, leave), name="leaving", daemon=True).start()
    if at_eof:
        threading.Thread(target=_read_to_the_end, args=(told,), name="stdin", daemon=True).start()


def _heed(told: SimpleQueue[None], leave: Callable[[], None]) -> None:
    while True:
        told.get()
        leave()


def _read_to_the_end(told: SimpleQueue[None]) -> None:
    while os.read(sys.stdin.fileno(), 4096):
        pass  # nobody writes; what counts is the end
    told.put(None)
