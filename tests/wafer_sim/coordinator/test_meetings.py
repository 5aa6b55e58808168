"""Tasks that wait for one another."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wafer_sim.coordinator import events as ev
from wafer_sim.coordinator import instructions as do
from wafer_sim.coordinator.meetings import Meetings
from wire.errors import InvalidInput


def came(task, tag="data", time=0, tasks=3, session="s"):
    return ev.Arrived(0.0, session, tag, time, task, tasks, f"from {task}")


@given(st.lists(st.integers(0, 3), max_size=20))
def test_nobody_goes_on_before_all_have_come(order):
    """In whatever order and however often they ask; then each gets what all gave."""
    meetings, seen = Meetings(10), set()
    for task in order:
        seen.add(task)
        payloads, missing = meetings.arrive(came(task, tasks=4))
        assert set(missing) == set(range(4)) - seen
        assert payloads == (() if missing else tuple(f"from {each}" for each in range(4)))


def test_meetings_are_apart(stage):
    """By session, tag, and how often they have met; a task that asks once more is not held up."""
    assert stage.play(came(0, tasks=2)) == [do.Met((), (1,))]
    for other in (came(1, tasks=2, tag="more"), came(1, tasks=2, time=1), came(1, tasks=2, session="t")):
        assert stage.play(other) == [do.Met((), (0,))]
    assert stage.play(came(1, tasks=2)) == [do.Met(("from 0", "from 1"), ())]
    assert stage.play(came(0, tasks=2)) == [do.Met(("from 0", "from 1"), ())]


@pytest.mark.parametrize("wrong", [came(1, tasks=2), came(3), came(0, session=""), came(0, tag="x" * 70_000)])
def test_who_cannot_meet_is_refused(stage, wrong):
    """A task that counts otherwise, or belongs to no session; and nothing grows."""
    stage.play(came(0))
    with pytest.raises(InvalidInput):
        stage.play(wrong)
    assert stage.play(came(1)) == [do.Met((), (2,))]


def test_few_meetings_are_remembered():
    """The oldest are forgotten."""
    meetings = Meetings(2)
    for time in range(3):
        meetings.arrive(came(0, time=time))
    assert meetings.arrive(came(1, time=2))[1] == (2,)
    assert meetings.arrive(came(1, time=0))[1] == (0, 2)
