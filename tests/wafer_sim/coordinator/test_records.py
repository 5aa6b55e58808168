"""What outlives a coordinator, and the coordinator that goes on from it."""

from wafer_sim.coordinator import instructions as do
from wafer_sim.coordinator import records
from wire.v1 import run_pb2

Saved, Finished, Progress = run_pb2.Saved, run_pb2.Finished, run_pb2.Progress


def written(out):
    """The kinds of the records among instructions."""
    return [i.record.WhichOneof("record") for i in out if isinstance(i, do.Record)]


def test_what_lasts_is_written_down_first(running, spec):
    """Each record stands before the instructions that depend on it."""
    assert written(running.submit("q", spec(model_dir="/tmp/q"))) == ["submitted"]
    out = running.say("r", saved=Saved(step=1, path="/p"))
    assert [type(i) for i in out] == [do.Record, do.Publish]
    assert out[0].record.said.event == out[1].event
    out = running.cancel("r")
    kinds = [type(i) for i in out]
    assert kinds.index(do.Record) < kinds.index(do.StopWafer)
    assert written(out) == ["cancelled"]
    assert written(running.say("r", finished=Finished(stopped=True))) == ["said"]
    assert written(running.die("r")) == ["started"]


def test_what_passes_is_not_written_down(running):
    """Phases, progress, lateness and passed samples are gone with the coordinator."""
    words = {"phase": "x"}, {"progress": Progress(step=1)}, {"late": run_pb2.Late()}, {"passed": run_pb2.Passed()}
    assert [written(running.say("r", **word)) for word in words] == [[], [], [], []]


def test_the_run_on_the_wafer_goes_on(stage, spec):
    """It is started again, first of all, from its latest checkpoint; its former process is not waited for."""
    stage.submit("r", spec(session="s"))
    stage.attach("r")
    stage.submit("q", spec(model_dir="/tmp/q"))
    stage.say("r", saved=Saved(step=40, path="/m/checkpoint_40"))
    former = stage.state.runs["r"].incarnation
    out = stage.crash()
    (start,) = [i for i in out if isinstance(i, do.StartWafer)]
    assert start.run_id == "r"
    assert start.incarnation > 2 << 32 > former
    assert stage.state.queue == ["q"]
    assert stage.heard["q"][-1].queued == 1
    assert stage.heard["r"][-1].phase == "the coordinator was started again; starting the wafer process from step 40"
    (order,) = [i for i in stage.attach("r") if isinstance(i, do.OrderStart)]
    assert order.spec == stage.state.runs["r"].spec


def test_a_run_that_never_had_the_wafer_starts_as_any_other(stage, spec):
    """Its spec is untouched."""
    stage.submit("r", spec())
    stage.records = [r for r in stage.records if r.WhichOneof("record") == "submitted"]
    stage.crash()
    assert stage.heard["r"][-1].phase == "starting the wafer process"
    (order,) = [i for i in stage.attach("r") if isinstance(i, do.OrderStart)]
    assert order.spec == spec()


def test_a_follower_asks_beyond_the_number_it_knows(running):
    """Numbers of the next term are above all of the one before, and what lasts keeps its own."""
    running.say("r", saved=Saved(step=1, path="/p"))
    saved = running.heard["r"][-1].number
    running.say("r", phase="running")
    known = running.heard["r"][-1].number
    running.crash()
    before, _ = running.coordinator.history("r", 0)
    assert [e.number for e in before if e.HasField("saved")] == [saved]
    events, ended = running.coordinator.history("r", known)
    assert events and not ended
    assert all(event.number > 2 << 32 for event in events)


def test_a_cancelled_run_is_ended_as_stopped(running):
    """Nobody has to cancel it again; that is written down too."""
    running.cancel("r")
    out = running.crash()
    assert running.heard["r"][-1].finished.stopped
    assert not [i for i in out if isinstance(i, do.StartWafer)]
    assert written(out) == ["said"]
    assert not written(running.crash())


def test_ended_runs_stay_ended(running):
    """With the problem, or the last progress, that they ended with."""
    running.say("r", finished=Finished(progress=Progress(step=10)))
    running.crash()
    run = running.state.runs["r"]
    assert (run.state, run.progress.step, running.state.active) == ("finished", 10, None)
    events, ended = running.coordinator.history("r", 0)
    assert ended and events[-1].finished.progress.step == 10


def test_forgotten_runs_are_not_restored(stage, spec):
    """What was dropped from the ended ones is gone for good."""
    for number in range(22):
        stage.submit(f"r{number}", spec())
        stage.attach(f"r{number}")
        stage.say(f"r{number}", failed=run_pb2.Problem(what="no"))
        stage.die(f"r{number}")
    kept = list(stage.state.runs)
    assert kept == list(records.fold(stage.records).runs)
    stage.crash()
    assert list(stage.state.runs) == kept


def test_chiefs_are_restored(stage, spec):
    """Also which session a run belongs to by now, and that the one before has to leave."""
    stage.elect("a")
    stage.submit("r", spec(session="a"))
    stage.lose_chief("a")
    stage.elect("b")
    stage.submit("x", spec(session="b"))
    stage.crash()
    assert stage.elect("c") == "b"
    assert stage.state.runs["r"].spec.session == "b"
    stage.join("w", session="a")
    assert stage.told["w"].leave


def test_a_restored_chief_that_does_not_come_back_is_replaced(stage, spec):
    """Its Follow call broke with the coordinator; half a minute is what it has to call again."""
    stage.elect("a")
    stage.submit("r", spec(session="a"))
    stage.now = 100.0
    stage.crash()
    assert stage.elect("b") == "a"
    stage.now = 131.0
    assert stage.elect("b") == "b"


def test_leases_rise_over_terms(running):
    """A worker's frames under a lease of the term before are stale."""
    running.join("a")
    before = max(running.streams("a").values())
    running.crash()
    running.join("a")
    running.attach("r")
    assert min(running.streams("a").values()) > 2 << 32 > before


def test_records_of_unknown_runs_mean_nothing():
    """A journal that was cut at its head is still read."""
    kept = records.fold([records.started("r", 7), records.cancelled("r"), records.resigned("/m", "a")])
    assert kept == records.Kept()


def test_folding_does_not_change_the_records(spec):
    """They can be folded twice."""
    rows = [records.submitted("r", spec(session="a")), records.adopted("r", "b")]
    assert records.fold(rows) == records.fold(rows)
    assert rows[0].submitted.spec.session == "a"
