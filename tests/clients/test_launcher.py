"""Local workers: started with a run, heard when they fail, gone with it."""

from __future__ import annotations

import os
import sys
import threading

import pytest

from clients import launcher
from clients.launcher import LocalWorkers

WAITS = "import sys; sys.stdin.read()"
STUBBORN = "import signal, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', file=sys.stderr); " + (
    "sys.stderr.flush(); time.sleep(600)"
)


def workers(code: str, count: int = 1, level: str = "ERROR") -> LocalWorkers:
    made = LocalWorkers(count, "localhost:1", "s", level=level)
    made._command = [sys.executable, "-c", code]
    return made


def test_no_process_is_left() -> None:
    """Workers that leave when their input closes are gone after the run, with exit code 0."""
    with workers(WAITS, 2) as running:
        running.start()
        processes = [worker._process for worker in running._workers]
        assert [process.poll() for process in processes] == [None, None]
    assert [process.returncode for process in processes] == [0, 0]


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system binds no processes")
def test_workers_may_be_kept_to_processors() -> None:
    """Each to its own; one for which none are given may use all."""
    mine = min(os.sched_getaffinity(0))
    with workers(WAITS, 2) as running:
        running.start()
        running.bind([[mine]])
        bound, free = (os.sched_getaffinity(worker._process.pid) for worker in running._workers)
    assert bound == {mine}
    assert free == os.sched_getaffinity(0)


def test_workers_may_be_another_program(capfd: pytest.CaptureFixture[str]) -> None:
    """A command of the caller's own is started instead, with its own variables besides ours."""
    code = "import os, sys; sys.stderr.write('error: ' + os.environ['OWN']); sys.exit(4)"
    with LocalWorkers(1, "localhost:1", "s", own=([sys.executable, "-c", code], {"OWN": "here"})) as running:
        running.start()
        (worker,) = running._workers
        worker._reader.join(10)
        assert worker._process.returncode == 4
        assert worker._last_words() == "error: here"


def test_a_worker_that_will_not_leave_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither its closed input nor SIGTERM ends it, so SIGKILL does."""
    monkeypatch.setattr(launcher, "LEAVE_SECONDS", 0.05)
    monkeypatch.setattr(launcher, "TERM_SECONDS", 0.05)
    with workers(STUBBORN) as running:
        running.start()
        (worker,) = running._workers
        while not worker._tail:
            assert worker._process.poll() is None
    assert worker._process.returncode == -9


def test_a_worker_that_dies_is_reported_at_once(caplog: pytest.LogCaptureFixture) -> None:
    """Its exit code and the error that it ended with are logged while the run goes on; earlier lines are not."""
    code = "import sys; sys.stderr.write('d t INFO hello\\nerror: no such file\\n  do: look\\n'); sys.exit(3)"
    with workers(code) as running:
        running.start()
        running._workers[0]._reader.join(10)
        (record,) = caplog.records
    assert record.getMessage() == "local worker 0 ended with exit code 3:\n    error: no such file\n      do: look"


@pytest.mark.parametrize(("level", "said"), [("ERROR", ["bad"]), ("INFO", ["hello", "bad"])])
def test_log_lines_of_workers_are_shown_from_a_level_on(
    caplog: pytest.LogCaptureFixture, level: str, said: list[str]
) -> None:
    """streamer_logging says which lines of a worker are repeated here."""
    code = "import sys; sys.stderr.write('d t INFO hello\\nd t ERROR bad\\nno level\\n')"
    with caplog.at_level("DEBUG"), workers(code, level=level) as running:
        running.start()
        running._workers[0]._reader.join(10)
    assert caplog.messages == [f"local worker 0: {text}" for text in said]


def test_nothing_is_started_before_it_is_asked_for() -> None:
    """Making the object starts no process, so that whoever makes it can be ready for an interruption."""
    before = threading.active_count()
    with workers(WAITS, 3) as running:
        assert running._workers == []
    assert threading.active_count() == before
