"""The life of a run: queue, wafer process, end."""

import pytest

from wafer_sim.coordinator import events as ev
from wafer_sim.coordinator import instructions as do
from wafer_sim.coordinator.view import status_of
from wire.errors import InvalidInput, NotFound, Refused, Stopped
from wire.v1 import run_pb2

Progress, Finished = run_pb2.Progress, run_pb2.Finished


def kinds(out, *types):
    """The instructions of some kinds."""
    return [i for i in out if isinstance(i, types)]


def test_a_submitted_run_gets_the_wafer_at_once(stage, spec):
    """With nothing ahead a wafer process is started; once attached it is told its spec."""
    out = stage.submit("r", spec())
    assert do.StartWafer("r", stage.state.runs["r"].incarnation) in out
    assert do.OrderStart("r", spec()) in stage.attach("r")
    assert stage.state.runs["r"].state == "running"


def test_a_queued_run_is_told_its_place_whenever_that_changes(stage, spec):
    """One programmed wafer at a time: the others wait in order, and move up."""
    for name in ("a", "b", "c"):
        stage.submit(name, spec(model_dir=f"/tmp/{name}"))
    stage.cancel("b")
    assert [e.queued for e in stage.heard["c"] if e.HasField("queued")] == [2, 1]
    assert stage.heard["b"][-1].finished.stopped


def test_the_next_run_starts_when_the_wafer_process_is_gone(stage, spec):
    """Not at the end of the run before, but when its process has left the wafer."""
    stage.submit("a", spec())
    stage.submit("b", spec(model_dir="/tmp/b"))
    stage.attach("a")
    assert not kinds(stage.say("a", finished=Finished()), do.StartWafer)
    (start,) = kinds(stage.die("a"), do.StartWafer)
    assert (start.run_id, start.incarnation) == ("b", stage.state.runs["b"].incarnation)


def test_events_are_numbered_within_their_term(running):
    """Followers can ask for what lies beyond a number; the wafer's own numbers do not count."""
    first = 1 << 32
    running.say("r", phase="running", number=77)
    running.say("r", progress=Progress(step=1))
    running.say("r", saved=run_pb2.Saved(step=1, path="/p"))
    assert [e.number - first for e in running.heard["r"]] == [1, 2, 3, 4, 5]
    events, ended = running.coordinator.history("r", first + 3)
    assert [e.number - first for e in events] == [4, 5]
    assert not ended


def test_only_what_does_not_last_is_thinned(running):
    """Of each kind the latest stay; every checkpoint does."""
    running.say("r", saved=run_pb2.Saved(step=1, path="/p"))
    most = running.coordinator.limits.events_kept
    for step in range(most + 10):
        running.say("r", progress=Progress(step=step))
    events, _ = running.coordinator.history("r", 0)
    steps = [e.progress.step for e in events if e.HasField("progress")]
    assert steps == list(range(10, most + 10))
    assert [e.saved.path for e in events if e.HasField("saved")] == ["/p"]


def test_words_after_the_end_are_ignored(running):
    """An ended run stays as it ended."""
    running.say("r", finished=Finished(progress=Progress(step=10)))
    running.say("r", failed=run_pb2.Problem(what="late"))
    running.say("r", progress=Progress(step=11))
    run = running.state.runs["r"]
    assert (run.state, run.progress.step) == ("finished", 10)
    assert running.heard["r"][-1].HasField("finished")


def test_a_stale_wafer_process_is_refused(running):
    """Another incarnation, a second attach, and an unknown run are turned away."""
    with pytest.raises(Refused, match="stale"):
        running.play(ev.WaferSaid(0.0, "r", 9, run_pb2.RunEvent(phase="x")))
    with pytest.raises(Refused, match="awaits no"):
        running.attach("r")
    with pytest.raises(NotFound):
        running.play(ev.WaferAttached(0.0, "nope", 1, "localhost:1"))


def test_a_wafer_process_does_not_say_everything(running):
    """Places in the queue are the coordinator's to tell."""
    with pytest.raises(InvalidInput):
        running.say("r", queued=1)


def test_a_cancelled_run_is_ordered_to_stop_then_pressed(running):
    """An order first; SIGTERM after patience; SIGKILL after a grace; each once."""
    assert do.StopWafer("r") in running.cancel("r")
    assert not running.cancel("r")
    assert not running.tick(9.0)
    assert kinds(running.tick(1.5), do.TerminateWafer, do.KillWafer) == [do.TerminateWafer("r")]
    assert kinds(running.tick(4.0), do.TerminateWafer, do.KillWafer) == [do.KillWafer("r")]
    assert not kinds(running.tick(4.0), do.TerminateWafer, do.KillWafer)
    running.die("r", -9)
    assert running.heard["r"][-1].failed.kind == "Stopped"


def test_a_cancelled_run_that_saved_is_finished(running):
    """The wafer's own last word counts."""
    running.cancel("r")
    running.say("r", finished=Finished(stopped=True))
    running.die("r")
    assert running.state.runs["r"].state == "finished"


def test_a_run_cancelled_before_its_wafer_speaks_is_stopped_at_once(stage, spec):
    """There is nothing to save: the process is terminated, and the run has stopped."""
    stage.submit("r", spec())
    assert do.TerminateWafer("r") in stage.cancel("r")
    stage.die("r", -15)
    assert stage.heard["r"][-1].finished.stopped


def test_a_wafer_that_lingers_after_its_run_is_ended(running):
    """A finished run's process has to leave: the wafer is needed."""
    running.say("r", finished=Finished())
    assert do.TerminateWafer("r") in running.tick(10.5)
    assert do.KillWafer("r") in running.tick(4.0)


def test_ended_runs_are_kept_for_a_while(stage, spec):
    """The last 20 are there for status; older ones are unknown."""
    for number in range(22):
        stage.submit(f"r{number}", spec())
        stage.attach(f"r{number}")
        stage.say(f"r{number}", finished=Finished())
        stage.die(f"r{number}")
    assert len(stage.state.runs) == 20
    with pytest.raises(NotFound):
        stage.coordinator.history("r1", 0)


def test_cancelling_an_unknown_run_is_not_found(stage):
    """A wrong id is the caller's mistake."""
    with pytest.raises(NotFound, match="no run 'x'"):
        stage.cancel("x")


def test_a_shutdown_stops_the_running_run_and_fails_the_queued(stage, spec):
    """The wafer may save; nothing starts any more; newcomers are told why."""
    stage.submit("a", spec())
    stage.attach("a")
    stage.submit("b", spec(model_dir="/tmp/b"))
    out = stage.play(ev.ShutDown(stage.now))
    assert do.StopWafer("a") in out
    assert stage.heard["b"][-1].failed.kind == "Stopped"
    stage.say("a", finished=Finished(stopped=True))
    assert not kinds(stage.die("a"), do.StartWafer)
    with pytest.raises(Stopped):
        stage.submit("c", spec())
    with pytest.raises(Stopped):
        stage.join("w")


def test_status_shows_runs_and_workers(running):
    """Progress, phase, hosts and silence are all in one answer."""
    running.join("a", shard=1)
    running.beat("a", (run_pb2.Seam(name="wire"),))
    running.say("r", progress=Progress(step=5))
    reply = status_of(running.state, running.now + 2.0, 7.0)
    (run,), (worker,) = reply.runs, reply.workers
    assert (run.run_id, run.state, run.progress.step, reply.up_seconds) == ("r", "running", 5, 7.0)
    assert run.phase == "waiting for workers: streams 0, 2, 3 have no host"
    assert [s.name for s in run.seams] == ["wire"]
    assert (worker.name, list(worker.streams), worker.shard, worker.silent_seconds) == ("host:a", [1], 1, 2.0)
