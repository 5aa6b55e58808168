"""Who is chief of a job."""

from wafer_sim.coordinator import events as ev
from wafer_sim.coordinator import instructions as do
from wire.v1 import run_pb2


def elect(stage, candidate, job="/tmp/model"):
    """Who is chief after this candidate asked."""
    (elected,) = stage.play(ev.ElectAsked(stage.now, job, candidate))
    assert isinstance(elected, do.Elected)
    return elected.chief


def test_the_first_to_ask_is_chief(stage):
    """And stays it, however often anybody asks."""
    assert [elect(stage, c) for c in ("a", "b", "a")] == ["a", "a", "a"]


def test_jobs_have_chiefs_of_their_own(stage):
    """A chief of one job is nobody in another."""
    elect(stage, "a")
    assert elect(stage, "b", job="/tmp/other") == "b"


def test_who_resigns_makes_room(stage):
    """Only the chief itself can resign."""
    elect(stage, "a")
    stage.play(ev.Resigned(0.0, "/tmp/model", "b"))
    assert elect(stage, "b") == "a"
    stage.play(ev.Resigned(0.0, "/tmp/model", "a"))
    assert elect(stage, "b") == "b"


def test_the_end_of_its_run_releases_a_chief(stage, spec):
    """The next task may be chief of the same model_dir."""
    elect(stage, "a")
    stage.submit("r", spec(session="a"))
    stage.attach("r")
    stage.say("r", finished=run_pb2.Finished())
    assert elect(stage, "b") == "b"


def test_a_chief_that_vanished_is_replaced(stage, spec):
    """Without a run and long silent it is taken for dead; with a run it is not."""
    elect(stage, "a")
    stage.now = 601.0
    assert elect(stage, "b") == "b"
    stage.submit("r", spec(session="b"))
    stage.now = 2000.0
    assert elect(stage, "c") == "b"
