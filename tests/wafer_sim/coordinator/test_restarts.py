"""Wafer processes die, and their runs go on."""

import pytest

from wafer_sim.coordinator import events as ev
from wafer_sim.coordinator import instructions as do
from wafer_sim.coordinator.wafers import how_it_ended
from wire.errors import Refused
from wire.v1 import run_pb2

Progress, Saved = run_pb2.Progress, run_pb2.Saved


def started(out):
    """The incarnations of the wafer processes that were to be started."""
    return [i.incarnation for i in out if isinstance(i, do.StartWafer)]


def ordered(out):
    """The spec that a wafer process was given."""
    (spec,) = [i.spec for i in out if isinstance(i, do.OrderStart)]
    return spec


def phase(stage):
    """The last phase that was published."""
    return [e.phase for e in stage.heard["r"] if e.HasField("phase")][-1]


def test_a_wafer_that_dies_is_started_again(running):
    """Under a new number, written down before; what killed the one before is said."""
    former = running.state.runs["r"].incarnation
    out = running.die("r", -9)
    (incarnation,) = started(out)
    assert incarnation > former
    kinds = [type(i) for i in out]
    assert kinds.index(do.Record) < kinds.index(do.StartWafer)
    assert phase(running) == "the wafer process was killed by SIGKILL; starting it again from where the run began"
    assert running.state.runs["r"].state == "starting"


def test_the_next_process_has_the_same_order(stage, spec):
    """It finds the newest checkpoint of the run by itself; people are told the one that was heard of last."""
    first = spec()
    stage.submit("r", first)
    assert ordered(stage.attach("r")) == first
    stage.say("r", saved=Saved(step=800, path="/m/checkpoint_800"))
    stage.say("r", saved=Saved(step=1200, path="/m/checkpoint_1200"))
    stage.die("r", -9)
    assert phase(stage).endswith("starting it again from step 1,200")
    assert ordered(stage.attach("r")) == first


def test_workers_wait_while_there_is_no_wafer(running):
    """Their streams are taken from them, they are told why, and get them back under new leases."""
    running.join("a")
    before = running.streams("a")
    running.die("r", 1)
    assert running.streams("a") == {}
    assert running.notice("a").startswith("waiting: the wafer process ended with exit code 1; starting it again")
    running.attach("r")
    assert set(running.streams("a")) == set(before)
    assert min(running.streams("a").values()) > max(before.values())


def test_a_run_that_only_dies_fails(running):
    """Five deaths without anything gained are enough; the last one's words are the problem's place."""
    for _ in range(4):
        assert started(running.die("r", 3))
        running.attach("r")
    assert not started(running.die("r", 3, ("Traceback", "MemoryError")))
    problem = running.heard["r"][-1].failed
    assert "ended with exit code 3; it died 5 times without getting further" in problem.what
    assert problem.where.endswith("Traceback\nMemoryError")
    assert running.state.active is None


@pytest.mark.parametrize("word", [{"saved": Saved(step=1, path="/p")}, {"progress": Progress(step=7)}])
def test_a_run_that_gets_further_may_die_on(running, word):
    """A checkpoint, or a step higher than ever, and the deaths are counted anew."""
    running.say("r", progress=Progress(step=6))
    for _ in range(4):
        running.die("r", 3)
        running.attach("r")
    running.say("r", **word)
    assert started(running.die("r", 3))


def test_the_same_steps_again_gain_nothing(running):
    """A process that reaches only what the one before had reached counts as one that died at once."""
    for _ in range(4):
        running.say("r", progress=Progress(step=6))
        running.die("r", 3)
        running.attach("r")
    running.say("r", progress=Progress(step=6))
    # The first of the five had gained those steps before it died.
    assert not started(running.die("r", 3))


def test_a_wafer_that_never_speaks_has_died(stage, spec):
    """It is ended, turned away if it speaks then, and the next one is started when it is gone."""
    stage.submit("r", spec())
    out = stage.tick(121.0)
    assert do.TerminateWafer("r") in out
    with pytest.raises(Refused, match="awaits no"):
        stage.attach("r")
    assert started(stage.die("r", -15))
    assert "said nothing within 120 s of its start" in phase(stage)
    assert not [i for i in stage.tick(1.0) if isinstance(i, do.TerminateWafer)]
    stage.attach("r")


def test_a_wafer_that_lost_its_line_is_replaced(running):
    """Its exit is waited for, as it says more; then it is ended, and the next one is started."""
    running.play(ev.WaferDetached(0.0, "r", running.state.runs["r"].incarnation))
    assert running.state.runs["r"].state == "running"
    assert do.TerminateWafer("r") in running.tick(4.5)
    assert started(running.die("r", -15))


def test_a_wafers_own_word_that_it_failed_ends_the_run(running):
    """What the process itself calls a failure would fail again."""
    running.say("r", failed=run_pb2.Problem(what="the loss is NaN"))
    assert not started(running.die("r", 1))
    assert running.state.runs["r"].problem.what == "the loss is NaN"


def test_a_cancelled_wafer_is_not_started_again(running):
    """Neither is one of a coordinator that ends."""
    running.cancel("r")
    assert not started(running.die("r", -9))
    assert running.heard["r"][-1].failed.kind == "Stopped"


def test_a_run_cancelled_between_two_wafers_is_stopped(running):
    """It has saved what it has saved; there is no process to ask."""
    running.die("r", -9)
    assert do.TerminateWafer("r") in running.cancel("r")
    assert not started(running.die("r", -15))
    assert running.heard["r"][-1].finished.stopped


def test_a_death_while_closing_ends_the_run(running):
    """Nothing is started at the end."""
    running.play(ev.ShutDown(0.0))
    assert not started(running.die("r", -9))
    assert running.state.runs["r"].ended


def test_the_words_of_the_process_before_are_refused(running):
    """It is of another incarnation."""
    former = running.state.runs["r"].incarnation
    running.die("r", -9)
    with pytest.raises(Refused, match="stale"):
        running.play(ev.WaferSaid(0.0, "r", former, run_pb2.RunEvent(phase="x")))


@pytest.mark.parametrize("word", [{"passed": run_pb2.Passed(step=3)}, {"observed": run_pb2.Observed(step=3)}], ids=str)
def test_passed_samples_and_what_is_seen_of_a_step_reach_the_followers(running, word):
    """But they are not written down."""
    out = running.say("r", **word)
    assert [type(i) for i in out] == [do.Publish]
    assert running.heard["r"][-1] == run_pb2.RunEvent(number=running.heard["r"][-1].number, **word)


@pytest.mark.parametrize(
    ("code", "words"), [(3, "ended with exit code 3"), (-9, "was killed by SIGKILL"), (-99, "was killed by signal 99")]
)
def test_an_end_in_words(code, words):
    """A negative exit code is a signal, by name where it has one."""
    assert how_it_ended(code) == words
