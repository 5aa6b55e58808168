"""Prefetch: a thread that always lets go in bounded time."""

import threading
import time

import pytest

from streamer.stages.prefetch import Prefetch
from wire.codec import Frame
from wire.cursor import Cursor


class _Stuck:
    """A stage whose user code hangs until it is released."""

    position = Cursor(0)

    def __init__(self):
        self.release, self.closed = threading.Event(), threading.Event()

    def next(self):
        self.release.wait(20)

    def interrupt(self):
        self.interrupted = True

    def close(self):
        self.closed.set()


class _Raising(_Stuck):
    def next(self):
        raise SystemExit("user code left")


def test_close_does_not_wait_for_stuck_user_code(caplog):
    """Closing returns within seconds while user code hangs, says so, and the stage is closed when it comes back."""
    stage = _Stuck()
    prefetch = Prefetch(stage, 1, "prefetch/0")
    start = time.monotonic()
    prefetch.close()
    assert time.monotonic() - start < 4
    assert "still busy" in caplog.text
    stage.release.set()
    assert stage.closed.wait(5)


def test_whatever_user_code_raises_reaches_the_consumer():
    """Even SystemExit in the thread is raised where the batches are taken, and the stage is closed."""
    stage = _Raising()
    prefetch = Prefetch(stage, 1, "prefetch/0")
    with pytest.raises(SystemExit, match="user code left"):
        prefetch.get(5)
    assert stage.closed.wait(5)
    prefetch.close()


def test_the_end_is_a_frame():
    """A stage without batches gives one frame that says `end`, at its position."""
    stage = _Stuck()
    stage.release.set()
    prefetch = Prefetch(stage, 1, "prefetch/0")
    assert prefetch.get(5) == Frame(Cursor(0), Cursor(0), {}, end=True)
    prefetch.close()
