"""Being told to leave: never inside of what the main thread is doing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

import pytest

from wire.leaving import leave_when_told


@pytest.fixture(autouse=True)
def _restored() -> object:
    before = signal.getsignal(signal.SIGUSR1)
    yield
    signal.signal(signal.SIGUSR1, before)


def test_leaving_may_take_a_lock_that_the_main_thread_holds() -> None:
    """A signal that comes while the lock is held does not deadlock; `leave` gets it when it is free."""
    lock, left = threading.Lock(), threading.Event()

    def leave() -> None:
        with lock:
            left.set()

    leave_when_told(leave, (signal.SIGUSR1,))
    with lock:
        os.kill(os.getpid(), signal.SIGUSR1)
        assert not left.is_set()
    assert left.wait(20)


def test_every_signal_is_passed_on() -> None:
    """A second signal calls `leave` again."""
    calls = threading.Semaphore(0)
    leave_when_told(calls.release, (signal.SIGUSR1,))
    for _ in range(2):
        os.kill(os.getpid(), signal.SIGUSR1)
        assert calls.acquire(timeout=20)


def test_the_end_of_standard_input_is_a_word_to_leave() -> None:
    """When the parent that holds the other end is gone, `leave` is called."""
    program = (
        "import threading; from wire.leaving import leave_when_told; left = threading.Event(); "
        "leave_when_told(left.set, (), at_eof=True); print('ready', flush=True); print(left.wait(20))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    out, _ = process.communicate(timeout=30)
    assert out.split() == ["ready", "True"]
