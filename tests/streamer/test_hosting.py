"""Hosting: what is tried again, what ends in silence, and what is told."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from streamer import hosting
from streamer.hosting import Host
from streamer.transport import PushBroken
from wire.errors import InvalidInput, Refused, StaleLease, Unreachable

Push = Callable[[], None]


class FakePusher:
    """A push that does what the test says; `stop` is noted."""

    def __init__(self, does: Push) -> None:
        self._does = does
        self.stopped = threading.Event()

    def run(self) -> None:
        self._does()

    def stop(self) -> None:
        self.stopped.set()

    def readings(self) -> list[object]:
        return []


class Hosted:
    """A host whose pushes, one after the other, do what the test says."""

    def __init__(self, *pushes: Push) -> None:
        self.told: list[tuple[int, BaseException]] = []
        self.made: list[FakePusher] = []
        self._pushes = iter(pushes)
        self.host = Host(3, 1, self._make, lambda stream, error: self.told.append((stream, error)))

    def _make(self) -> FakePusher:
        self.made.append(FakePusher(next(self._pushes)))
        return self.made[-1]

    def end(self) -> Hosted:
        self.host.start()
        assert self.host.join(20)
        return self


def raising(error: BaseException) -> Push:
    def push() -> None:
        raise error

    return push


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hosting, "RETRY_SECONDS", 0)


def test_a_push_that_breaks_off_is_begun_again() -> None:
    """Each time with a new pusher, until one ends by itself; nobody is told."""
    broken = raising(PushBroken("gone"))
    hosted = Hosted(broken, broken, lambda: None).end()
    assert len(hosted.made) == 3
    assert hosted.told == []


def test_a_stale_lease_ends_in_silence_whatever_its_words() -> None:
    """The type says it; another worker hosts the stream, so it is no failure."""
    assert Hosted(raising(StaleLease("elsewhere"))).end().told == []


@pytest.mark.parametrize(
    "error",
    [
        Refused("a stale dataset"),
        InvalidInput("no"),
        Unreachable("the data server is away"),
        ValueError("77"),
        SystemExit(1),
    ],
    ids=lambda error: type(error).__name__,
)
def test_any_other_error_is_told_with_its_stream(error: BaseException) -> None:
    """What the source itself cannot reach is not tried again for ever, and words in a message decide nothing."""
    hosted = Hosted(raising(error)).end()
    assert hosted.told == [(3, error)]
    assert len(hosted.made) == 1


def test_a_stopped_host_stops_its_push_and_tells_nothing() -> None:
    """What goes wrong while it is let go concerns nobody."""
    running = threading.Event()

    def push() -> None:
        running.set()
        assert hosted.made[0].stopped.wait(20)
        raise ValueError("closed under me")

    hosted = Hosted(push)
    hosted.host.start()
    assert running.wait(20)
    hosted.host.stop()
    assert hosted.host.join(20)
    assert hosted.told == []


def test_a_stopped_host_does_not_try_again() -> None:
    """A break while it is let go is its end."""
    running = threading.Event()

    def push() -> None:
        running.set()
        assert hosted.made[0].stopped.wait(20)
        raise PushBroken("gone")

    hosted = Hosted(push)
    hosted.host.start()
    assert running.wait(20)
    hosted.host.stop()
    assert hosted.host.join(20)
    assert len(hosted.made) == 1
