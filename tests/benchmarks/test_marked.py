"""Processes with a mark go when their driver goes."""

from __future__ import annotations

import signal
import subprocess
import sys
import uuid

from benchmarks.faults.guard import guarded
from benchmarks.faults.marked import SHARED_MEMORY, environment, in_use, marked, shared_segments

CHILD = "import signal; print(flush=True); signal.pause()"
PARENT = f"""
import subprocess, sys
subprocess.Popen([sys.executable, "-c", {CHILD!r}], start_new_session=True).wait()
"""


def start(mark: str) -> subprocess.Popen[bytes]:
    """A process and a child of it in a session of its own, both running."""
    command = [sys.executable, "-c", PARENT]
    process = subprocess.Popen(command, env=environment(mark), stdout=subprocess.PIPE)
    assert process.stdout is not None
    with process.stdout as out:
        assert out.readline()
    return process


def test_whatever_has_the_mark_is_gone_afterwards() -> None:
    """Children in their own sessions and stopped processes too; a process with another mark is left alone."""
    mark, other = uuid.uuid4().hex, uuid.uuid4().hex
    with guarded(other):
        bystander = start(other)
        with guarded(mark):
            processes = [start(mark), start(mark)]
            processes[1].send_signal(signal.SIGSTOP)
            assert len(marked(mark)) == 4
        assert marked(mark) == []
        assert len(marked(other)) == 2
        assert bystander.poll() is None
    for process in (*processes, bystander):
        assert process.wait(10) == -signal.SIGKILL


def test_marked_processes_go_with_a_driver_that_is_killed() -> None:
    """SIGKILL leaves the driver no word, but its end closes the guard's standard input."""
    mark = uuid.uuid4().hex
    driver = f"""
import signal, sys
sys.path[:0] = {sys.path!r}
from benchmarks.faults.guard import guarded
from tests.benchmarks.test_marked import start
with guarded({mark!r}):
    start({mark!r})
    print(flush=True)
    signal.pause()
"""
    process = subprocess.Popen([sys.executable, "-c", driver], stdout=subprocess.PIPE)
    assert process.stdout is not None
    with process.stdout as out:
        assert out.readline()
        living = marked(mark)
        assert len(living) == 2
        process.kill()
        process.wait()
        for each in living:
            each.wait(10)


def test_shared_memory_that_somebody_uses_is_no_leftover() -> None:
    """A segment counts as in use while a process has it open, and as left when nobody has."""
    path = SHARED_MEMORY / f"left.{uuid.uuid4().hex}"
    with path.open("wb"):
        assert path.name in shared_segments()
        assert in_use({path.name}) == {path.name}
    try:
        assert in_use({path.name}) == set()
    finally:
        path.unlink()
    assert path.name not in shared_segments()
