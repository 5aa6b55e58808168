"""The worker as a process: it leaves when it is told to, whatever a user's code does."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

BLOCKED = """
import sys, threading
from streamer import worker

def blocked(self):
    print("ready", flush=True)
    threading.Event().wait(60)
    return 3

worker.LEAVE_SECONDS = 0.1
worker.Worker.run = blocked
sys.exit(worker.main(worker.WorkerOptions("localhost:1", exit_with_parent=True)))
"""


@pytest.fixture
def blocked() -> subprocess.Popen[str]:
    """A worker whose main thread is inside of a user's code that does not end."""
    pipe = subprocess.PIPE
    process = subprocess.Popen([sys.executable, "-c", BLOCKED], stdin=pipe, stdout=pipe, stderr=pipe, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    yield process
    process.kill()
    process.communicate()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_code_that_does_not_end_does_not_hold_a_worker(blocked: subprocess.Popen[str], number: int) -> None:
    """At SIGTERM and Ctrl-C it leaves without that code, says so, and its exit code is 0."""
    blocked.send_signal(number)
    assert blocked.wait(20) == 0
    assert blocked.stderr is not None
    assert "left without it" in blocked.stderr.read()


def test_a_worker_does_not_outlive_who_started_it(blocked: subprocess.Popen[str]) -> None:
    """With --exit-with-parent the end of its standard input is enough."""
    assert blocked.stdin is not None
    blocked.stdin.close()
    blocked.stdin = None
    assert blocked.wait(20) == 0
