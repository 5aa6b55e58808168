"""Reconciling: the streams that are hosted are those of the last assignment, whatever came before."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from streamer import reconciling
from streamer.reconciling import Hosts
from wire.channel import Security
from wire.errors import InvalidInput
from wire.seam import SeamReading
from wire.v1 import coordinator_pb2

LOG: list[tuple[Any, ...]] = []


class FakeHost:
    """Notes what is done with it."""

    def __init__(self, stream: int, lease: int, make: Callable[[], object], failed: Callable[..., None]) -> None:
        self.stream, self.lease = stream, lease

    def start(self) -> None:
        LOG.append(("start", self.stream, self.lease))

    def stop(self) -> None:
        LOG.append(("stop", self.stream, self.lease))

    def join(self, timeout: float) -> bool:
        LOG.append(("join", self.stream, self.lease))
        return True

    def readings(self) -> list[SeamReading]:
        return [SeamReading(f"prefetch/{self.stream}", 7, 1.0, 2.0, 3.0, 4, 5)]


class FakeChannel:
    """Notes when it is closed."""

    def __init__(self, address: str) -> None:
        self.address = address

    def close(self) -> None:
        LOG.append(("close", self.address))


class FakeInput:
    """An input of no run in particular."""

    tuning = None

    def describe(self) -> str:
        return "nothing"


def assignment(run: str, leases: dict[int, int], address: str = "a:1") -> coordinator_pb2.Assignment:
    streams = [coordinator_pb2.StreamLease(stream=s, lease=lease) for s, lease in leases.items()]
    return coordinator_pb2.Assignment(run_id=run, ingest_address=address, streams=streams)


@pytest.fixture
def hosts(monkeypatch: pytest.MonkeyPatch) -> Hosts:
    LOG.clear()
    monkeypatch.setattr(reconciling, "Host", FakeHost)
    monkeypatch.setattr(reconciling, "connect", lambda address, _: FakeChannel(address))

    def opened(given: coordinator_pb2.Assignment) -> Any:
        LOG.append(("open", given.run_id))
        return FakeInput()

    return Hosts("w", Security(), opened, lambda *failure: LOG.append(("failed", *failure)))


def test_streams_are_begun_once(hosts: Hosts) -> None:
    """The input is opened once a run; the same assignment again changes nothing."""
    for _ in range(2):
        hosts.reconcile(assignment("r", {0: 1, 2: 1}))
    assert LOG == [("open", "r"), ("start", 0, 1), ("start", 2, 1)]


def test_a_stream_that_is_no_longer_ours_is_let_go(hosts: Hosts) -> None:
    """The others are left alone."""
    hosts.reconcile(assignment("r", {0: 1, 2: 1}))
    del LOG[:]
    hosts.reconcile(assignment("r", {0: 1}))
    assert LOG == [("stop", 2, 1), ("join", 2, 1)]


def test_a_new_lease_is_a_new_host(hosts: Hosts) -> None:
    """The old one has ended before the new one begins."""
    hosts.reconcile(assignment("r", {0: 1}))
    del LOG[:]
    hosts.reconcile(assignment("r", {0: 3}))
    assert LOG == [("stop", 0, 1), ("join", 0, 1), ("start", 0, 3)]


def test_another_run_with_the_same_streams_and_leases_starts_afresh(hosts: Hosts) -> None:
    """Leases begin at 1 in every run: the run tells them apart; all are asked to stop before any is waited for."""
    hosts.reconcile(assignment("one", {0: 1, 1: 1}))
    del LOG[:]
    hosts.reconcile(assignment("two", {0: 1}, "a:2"))
    expected: list[tuple[object, ...]] = [("stop", 0, 1), ("stop", 1, 1), ("join", 0, 1), ("join", 1, 1)]
    expected += [("close", "a:1"), ("open", "two"), ("start", 0, 1)]
    assert expected == LOG


def test_a_wafer_process_at_another_address_is_pushed_to_afresh(hosts: Hosts) -> None:
    """No host goes on over the channel to the process that is gone."""
    hosts.reconcile(assignment("r", {0: 1}, "a:1"))
    del LOG[:]
    hosts.reconcile(assignment("r", {0: 1}, "a:2"))
    assert LOG == [("stop", 0, 1), ("join", 0, 1), ("close", "a:1"), ("open", "r"), ("start", 0, 1)]


def test_without_a_run_nothing_is_hosted(hosts: Hosts) -> None:
    """A notice alone lets everything go."""
    hosts.reconcile(assignment("r", {0: 1}))
    del LOG[:]
    hosts.reconcile(coordinator_pb2.Assignment(notice="waiting"))
    assert LOG == [("stop", 0, 1), ("join", 0, 1), ("close", "a:1")]
    assert hosts.seams() == []


@pytest.mark.parametrize("error", [InvalidInput("no"), KeyError("image"), SystemExit(2)], ids=repr)
def test_an_input_that_cannot_be_opened_is_told_and_nothing_hosted(error: BaseException) -> None:
    """The run hears of it with the lowest stream, also when the user's file exits; the worker lives on."""
    told: list[tuple[str, int, BaseException]] = []

    def opened(_: coordinator_pb2.Assignment) -> Any:
        raise error

    hosts = Hosts("w", Security(), opened, lambda *failure: told.append(failure))
    hosts.reconcile(assignment("r", {3: 1, 2: 1}))
    assert told == [("r", 2, error)]
    assert hosts.seams() == []


def test_readings_carry_worker_and_stream(hosts: Hosts) -> None:
    """What a heartbeat says of a seam names who waited at it."""
    hosts.reconcile(assignment("r", {2: 1}))
    (seam,) = hosts.seams()
    assert (seam.name, seam.worker, seam.stream, seam.items, seam.capacity) == ("prefetch", "w", 2, 7, 5)
