"""Who is chief of a job."""

import pytest

from tests.wafer_sim.coordinator.conftest import Stage
from wafer_sim.coordinator import events as ev
from wafer_sim.coordinator import instructions as do
from wafer_sim.coordinator import records
from wafer_sim.coordinator.state import Limits
from wire.errors import Exhausted
from wire.v1 import run_pb2


def test_the_first_to_ask_is_chief(stage):
    """And stays it, however often anybody asks."""
    assert [stage.elect(c) for c in ("a", "b", "a")] == ["a", "a", "a"]


def test_jobs_have_chiefs_of_their_own(stage):
    """A chief of one job is nobody in another."""
    stage.elect("a")
    assert stage.elect("b", job="/tmp/other") == "b"


def test_who_resigns_makes_room(stage):
    """Only the chief itself can resign."""
    stage.elect("a")
    stage.play(ev.Resigned(0.0, "/tmp/model", "b"))
    assert stage.elect("b") == "a"
    stage.play(ev.Resigned(0.0, "/tmp/model", "a"))
    assert stage.elect("b") == "b"


def test_a_chief_outlives_its_run_by_its_own_word(stage, spec):
    """From the end of the run on it is chief as long as it says that it lives; its Follow call says nothing more."""
    stage.elect("a")
    stage.submit("r", spec(session="a"))
    stage.attach("r")
    stage.play(ev.ChiefFollows(0.0, "a"))
    stage.say("r", finished=run_pb2.Finished())
    stage.now = 5.0
    assert [stage.elect(c) for c in ("b", "a")] == ["a", "a"]
    stage.now = 10.0
    assert stage.elect("b") == "a"
    stage.now = 12.0
    assert stage.elect("b") == "b"


def test_chiefs_that_are_gone_make_room():
    """A killed one resigns nowhere: where there are too many jobs, those that nobody took over are forgotten."""
    stage = Stage(Limits(chiefs=2))
    stage.elect("a", job="/1")
    stage.now = 5.0
    stage.elect("b", job="/2")
    with pytest.raises(Exhausted, match="2 jobs have a chief"):
        stage.elect("c", job="/3")
    stage.now = 7.0
    assert stage.elect("c", job="/3") == "c"
    assert records.fold(stage.records).chiefs == stage.coordinator.chiefs == {"/2": "b", "/3": "c"}


def test_a_chief_that_vanished_is_replaced(stage):
    """Without a run, and silent for some seconds, it is taken for dead."""
    stage.elect("a")
    stage.now = 5.0
    assert stage.elect("b") == "a"
    stage.now = 7.0
    assert stage.elect("b") == "b"


def test_a_chief_that_follows_its_run_stays(stage, spec):
    """However long nothing else is heard of it."""
    stage.elect("a")
    stage.submit("r", spec(session="a"))
    stage.play(ev.ChiefFollows(stage.now, "a"))
    stage.now = 2000.0
    assert stage.elect("b") == "a"


def test_a_chief_that_never_follows_its_run_is_replaced(stage, spec):
    """It died between the submission and its Follow call: some seconds later it counts as gone."""
    stage.elect("a")
    stage.submit("r", spec(session="a"))
    stage.now = 5.0
    assert stage.elect("b") == "a"
    stage.now = 7.0
    assert stage.elect("b") == "b"


def test_a_chief_whose_call_broke_off_is_replaced_at_once(running):
    """The run goes on; the next candidate of the job is chief."""
    running.elect("a")
    out = running.lose_chief("a")
    assert [type(i) for i in out] == [do.Note]
    assert running.state.runs["r"].state == "running"
    assert running.elect("b") == "b"
    assert running.elect("a") == "b"


def test_a_chief_with_another_call_is_not_gone(stage):
    """It may have called again before the end of its broken call was noticed."""
    stage.elect("a")
    stage.play(ev.ChiefFollows(0.0, "a"))
    stage.play(ev.ChiefFollows(0.0, "a"))
    assert stage.lose_chief("a") == []
    assert stage.elect("b") == "a"
    stage.lose_chief("a")
    assert stage.elect("b") == "b"


def test_a_lost_chief_that_comes_back_in_time_stays(stage):
    """Nobody took its place: asking or following again is enough."""
    stage.elect("a")
    stage.lose_chief("a")
    stage.play(ev.ChiefFollows(0.0, "a"))
    assert stage.elect("b") == "a"
    stage.lose_chief("a")
    assert stage.elect("a") == "a"
    assert stage.elect("b") == "a"


def test_only_changes_of_a_chief_are_written_down(stage):
    """An election is recorded before it is answered, and only where it changes who is chief."""
    first = stage.play(ev.ElectAsked(0.0, "/m", "a"))
    assert [type(i) for i in first] == [do.Record, do.Elected]
    assert [type(i) for i in stage.play(ev.ElectAsked(0.0, "/m", "b"))] == [do.Elected]
    assert [type(i) for i in stage.play(ev.Resigned(0.0, "/m", "a"))] == [do.Record]
    assert stage.play(ev.Resigned(0.0, "/m", "a")) == []
