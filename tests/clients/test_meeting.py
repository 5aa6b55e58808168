"""Tasks of a job wait for one another at the coordinator."""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from clients import meeting
from clients.meeting import meet
from clients.roles import Place
from wafer_sim.coordinator import events as ev
from wafer_sim.coordinator.meetings import Meetings
from wire.errors import Unreachable
from wire.v1 import coordinator_pb2


class Near:
    """A session with a coordinator in this process."""

    meetings = Meetings(10)
    lock = threading.Lock()

    def __init__(self, address, name):
        self.name = name

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def arrive(self, request):
        place = (self.name, request.tag, request.time, request.task, request.tasks)
        with self.lock:
            payloads, missing = self.meetings.arrive(ev.Arrived(0.0, *place, request.payload))
        return coordinator_pb2.MeetReply(payloads=payloads, missing=missing)


@pytest.fixture(autouse=True)
def near(monkeypatch):
    monkeypatch.setattr(meeting, "Session", Near)
    monkeypatch.setattr(meeting, "_ASK_SECONDS", 0.001)
    monkeypatch.setattr(Near, "meetings", Meetings(10))
    monkeypatch.setattr(meeting, "_times", Counter())


class FirstTime(Counter):
    """What each process has, where a test has threads: nobody has met before."""

    def __setitem__(self, tag, times):
        pass


def test_all_tasks_go_on_together_with_what_all_gave(monkeypatch):
    """Whoever comes first waits for the last one."""
    monkeypatch.setattr(meeting, "_times", FirstTime())

    def task(rank):
        return meet("h:1", Place(rank, 3, "s"), "data", str(rank))

    with ThreadPoolExecutor(3) as pool:
        first = [pool.submit(task, rank) for rank in range(2)]
        assert not any(each.done() for each in first)
        last = pool.submit(task, 2)
        assert [each.result(10) for each in (*first, last)] == [["0", "1", "2"]] * 3


def test_the_same_tag_may_be_met_at_again():
    """Each time anew: that all came once does not let a task through the second time."""
    alone = Place(0, 1, "s")
    assert meet("h:1", alone, "data", "a") == ["a"]
    assert meet("h:1", alone, "data", "b") == ["b"]


def test_who_did_not_come_is_named(monkeypatch):
    """After a while, with what to look at."""
    monkeypatch.setattr(meeting, "PATIENCE_SECONDS", 0.01)
    with pytest.raises(Unreachable, match="tasks 1, 2 of 3 did not come") as caught:
        meet("h:1", Place(0, 3, "s"), "data")
    assert caught.value.where == "rendezvous 'data'"
