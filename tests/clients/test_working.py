"""A task that is not the chief hosts streams, and its process ends with that."""

from __future__ import annotations

import logging

import pytest

from clients import working


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
    working.work_unless_chief("h:9000", None)
    monkeypatch.setenv("WAFER_RANK", "1")
    working.work_unless_chief(None, None)
    assert (hosted, heeded) == ([], [True])


def test_the_others_host_streams(hosted, monkeypatch):
    """A later task works for the session that all tasks of the start share, with the input that it made itself."""
    monkeypatch.setenv("WAFER_RANK", "1")
    with pytest.raises(SystemExit) as ended:
        working.work_unless_chief("h:9000", len)
    assert ended.value.code == 0
    ((options, own),) = hosted
    assert (options.coordinator, options.session, options.exit_with_parent, own) == ("h:9000", "s", False, len)
