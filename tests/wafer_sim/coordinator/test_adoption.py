"""A second submission for a model_dir that a run is writing."""

import pytest

from wafer_sim.coordinator import instructions as do
from wire.errors import Refused, Stopped


def submitted(out):
    """The answer to a submission."""
    (answer,) = [i for i in out if isinstance(i, do.Submitted)]
    return answer


def led(stage, spec, chief="old"):
    """Run "r" on the wafer, with a chief."""
    stage.elect(chief)
    stage.submit("r", spec(session=chief))
    stage.attach("r")
    return stage


def test_a_first_submission_is_answered_with_its_run(stage, spec):
    """And written down before."""
    out = stage.submit("r", spec())
    assert isinstance(out[0], do.Record)
    assert out[1] == do.Submitted("r", attached=False)


def test_a_new_chief_takes_the_run_over(stage, spec):
    """The run is its session's from then on, and its workers may host."""
    led(stage, spec)
    stage.join("a", session="old")
    stage.join("b", session="new")
    stage.lose_chief("old")
    assert stage.elect("new") == "new"
    again = spec(session="new")
    again.checkpoint, again.fresh_start = "/m/checkpoint_7", True
    again.starts.add(samples=1)
    out = stage.submit("other", again)
    assert submitted(out) == do.Submitted("r", attached=True)
    assert stage.state.runs["r"].spec.session == "new"
    assert not stage.state.runs["r"].spec.checkpoint
    assert set(stage.streams("b")) == {0, 1, 2, 3}
    assert stage.told["a"].leave
    assert "other" not in stage.state.runs


def test_the_chief_itself_may_ask_again(stage, spec):
    """It lost the answer: the run is the same, nothing is adopted."""
    led(stage, spec)
    out = stage.submit("other", spec(session="old"))
    assert out == [do.Submitted("r", attached=True)]


def test_a_queued_run_can_be_taken_over_too(stage, spec):
    """Live is all that has not ended."""
    stage.submit("first", spec(model_dir="/tmp/first"))
    stage.submit("r", spec(session="old"))
    assert submitted(stage.submit("x", spec(session="new"))) == do.Submitted("r", attached=True)


def test_a_run_whose_chief_lives_is_not_given_away(stage, spec):
    """Two chiefs for one run would both report it."""
    led(stage, spec)
    with pytest.raises(Refused, match="its chief") as refused:
        stage.submit("x", spec(session="new"))
    assert "wafer_sim cancel r" in refused.value.fix
    assert refused.value.where == "/tmp/model"


def test_another_spec_is_refused_by_its_fields(stage, spec):
    """Two runs must never write one model_dir."""
    led(stage, spec)
    stage.lose_chief("old")
    other = spec(session="new")
    other.max_steps, other.data.seed = 11, 3
    with pytest.raises(Refused, match="other params: data, max_steps") as refused:
        stage.submit("x", other)
    assert "wafer_sim cancel r" in refused.value.fix


def test_a_run_that_is_to_stop_is_not_taken_over(stage, spec):
    """The submission queues behind it."""
    led(stage, spec)
    stage.cancel("r")
    assert submitted(stage.submit("x", spec(session="new"))) == do.Submitted("x", attached=False)
    assert stage.state.queue == ["x"]


def test_an_ended_run_is_not_taken_over(running, spec):
    """The next run of a model_dir is a run of its own."""
    running.say("r", failed={"what": "no"})
    assert submitted(running.submit("x", spec())) == do.Submitted("x", attached=False)


def test_nothing_is_taken_over_while_closing(running, spec):
    """Everybody is told the same."""
    running.coordinator.state.closing = True
    with pytest.raises(Stopped):
        running.submit("x", spec())
