"""What a process imports stays until it ends: Python's collector need not look at it, nor take it apart at the end.

A framework is some hundred thousand objects. While they are made the collector walks through all of them again and
again, and once more when the interpreter ends: that is nearly half of the processor time that a short run takes.
"""

from __future__ import annotations

import atexit
import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def staying() -> Iterator[None]:
    """For importing and building what stays: nothing is collected meanwhile, and what is there then is left alone."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if collecting:
            gc.enable()


@contextmanager
def everything_seen() -> Iterator[None]:
    """For asking the collector who holds an object: it tells nothing of what it leaves alone."""
    left_alone = gc.get_freeze_count()
    gc.unfreeze()
    try:
        yield
    finally:
        if left_alone:
            gc.freeze()


def leave_as_it_is() -> None:
    """For a program of ours: its end takes nothing apart, since the system takes all of it back at once."""
    atexit.register(gc.freeze)
