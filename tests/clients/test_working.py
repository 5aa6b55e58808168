"""A task that is not the chief hosts streams, and its process ends with that."""

from __future__ import annotations

import logging
import signal
import threading
from types import SimpleNamespace

import pytest

from clients import working
from streamer.worker import process_name
from wire.errors import InvalidInput, Unreachable


@pytest.fixture
def hosted(monkeypatch):
    """What a worker would have been started with."""
    started = []
    monkeypatch.setattr(working, "main", lambda options, own: started.append((options, own)) or 0)
    monkeypatch.setenv("WAFER_SESSION", "s")
    streamer = logging.getLogger("streamer")
    handlers, propagate, level = list(streamer.handlers), streamer.propagate, streamer.level
    yield started
    streamer.handlers[:], streamer.propagate = handlers, propagate
    streamer.setLevel(level)


def test_the_chief_goes_on(hosted, monkeypatch):
    """The first task, and every task of a job without a system, does its own work; the first one heeds SIGTERM."""
    heeded = []
    monkeypatch.setattr(working, "heed_sigterm", lambda: heeded.append(True))
    working.work_unless_chief("h:9000", None, None)
    monkeypatch.setenv("WAFER_RANK", "1")
    working.work_unless_chief(None, "/m", None)
    assert (hosted, heeded) == ([], [True])


def test_the_others_host_streams(hosted, monkeypatch):
    """A later task works for the session that all tasks of the start share, with the input that it made itself."""
    monkeypatch.setenv("WAFER_RANK", "1")
    with pytest.raises(SystemExit) as ended:
        working.work_unless_chief("h:9000", None, len)
    assert ended.value.code == 0
    ((options, own),) = hosted
    assert (options.coordinator, options.session, options.exit_with_parent, own) == ("h:9000", "s", False, len)


class Scene:
    """A worker and an election that end as a test wants. outlasts: the chief dies after its run."""

    def __init__(self, monkeypatch, *, elected=False, code=0, outlasts=None):
        self.left, self.code = threading.Event(), code
        self.session_over, self._outlasts = outlasts is not None, outlasts
        self.offered = []
        monkeypatch.setattr(working, "Worker", lambda *_: self)
        monkeypatch.setattr(working, "Session", lambda *_, **names: self.named(names))
        monkeypatch.setattr(working, "leave_at_signals", lambda _: None)
        self._elected = elected

    def named(self, names):
        self.names = names
        return self

    def run(self):
        self.left.wait(5.0 if self._elected else 0.0)
        if isinstance(self.code, BaseException):
            raise self.code
        return self.code

    def stand_by(self, job, over):
        self.offered.append(job)
        return self._elected or over.wait(5.0) is None

    def outlast(self, job):
        return self._outlasts

    def leave(self):
        self.left.set()

    def close(self):
        self.closed = True


def test_a_worker_returns_once_it_is_chief(hosted, monkeypatch):
    """It goes on to the chief's work, under the name that it was elected by, heeding SIGTERM as a chief does.

    What it hosts ends before its process.
    """
    heeded = []
    monkeypatch.setattr(working, "heed_sigterm", lambda: heeded.append(signal.getsignal(signal.SIGTERM)))
    monkeypatch.setenv("WAFER_RANK", "2")
    monkeypatch.setattr(working, "_ELECTED", threading.Event())
    before, at_exit = signal.getsignal(signal.SIGTERM), []
    monkeypatch.setattr(working.atexit, "register", at_exit.append)
    scene = Scene(monkeypatch, elected=True)
    assert not working.is_chief()
    assert working.work_unless_chief("h:9000", "/m", None)
    assert working.is_chief()
    assert scene.offered == ["/m"]
    assert scene.names["candidate"] == working.candidate()
    assert working.candidate().startswith("s/")
    assert heeded == [before]
    assert scene.closed
    assert not scene.left.is_set()
    (ends,) = at_exit
    ends()
    assert "worker" not in [thread.name for thread in threading.enumerate()]


def test_a_worker_outlasts_a_chief_that_dies_after_its_run(hosted, monkeypatch):
    """Its work is over, but the chief's may not be; where the chief resigns instead, the process ends."""
    monkeypatch.setattr(working, "heed_sigterm", lambda: None)
    monkeypatch.setenv("WAFER_RANK", "2")
    monkeypatch.setattr(working, "_ELECTED", threading.Event())
    Scene(monkeypatch, outlasts=False)
    with pytest.raises(SystemExit) as ended:
        working.work_unless_chief("h:9000", "/m", None)
    assert ended.value.code == 0
    Scene(monkeypatch, outlasts=True)
    assert working.work_unless_chief("h:9000", "/m", None)


def test_a_worker_that_is_never_chief_ends_its_process(hosted, monkeypatch):
    """With the worker's exit code, or with what the worker raised."""
    monkeypatch.setenv("WAFER_RANK", "2")
    Scene(monkeypatch, code=3)
    with pytest.raises(SystemExit) as ended:
        working.work_unless_chief("h:9000", "/m", None)
    assert ended.value.code == 3
    Scene(monkeypatch, code=Unreachable("no coordinator"))
    with pytest.raises(Unreachable, match="no coordinator"):
        working.work_unless_chief("h:9000", "/m", None)


def test_the_only_task_has_no_name_of_its_own(monkeypatch):
    """Its session names it; a task among others has a name that no other has."""
    assert working.candidate() == ""
    monkeypatch.setenv("WAFER_TASKS", "2")
    monkeypatch.setenv("WAFER_RANK", "0")
    assert working.candidate().startswith("/")


def told(monkeypatch, error):
    """What the chief's coordinator is told of a task that ends so."""
    reports = []
    silent = SimpleNamespace(report_end=lambda name, lines: reports.append((name, lines)), close=lambda: None)
    monkeypatch.setattr(working, "Session", lambda address, name: reports.append((address, name)) or silent)
    with pytest.raises(type(error)), working.failure_told("h:9000"):
        raise error
    return reports


def test_a_task_that_fails_tells_the_chief(hosted, monkeypatch):
    """Its own error, or the end of the user's traceback, with the name of its process."""
    monkeypatch.setenv("WAFER_RANK", "2")
    session, (name, lines) = told(monkeypatch, InvalidInput("no file", where="data.py:3"))
    assert session == ("h:9000", "s")
    assert name == process_name()
    assert "no file" in "".join(lines)
    assert told(monkeypatch, KeyError("x"))[1][1][-1] == "KeyError: 'x'"


def test_the_chief_and_who_is_stopped_tell_nothing(hosted, monkeypatch):
    """The chief's error is on its own screen, and an end that was asked for is no failure."""
    monkeypatch.setenv("WAFER_RANK", "2")
    assert told(monkeypatch, SystemExit(0)) == []
    monkeypatch.setenv("WAFER_RANK", "0")
    assert told(monkeypatch, KeyError("x")) == []
