"""Workers come, host, fall silent and leave."""

import pytest

from wafer_sim.coordinator import events as ev
from wafer_sim.coordinator import instructions as do
from wire.errors import Exhausted, Refused
from wire.v1 import run_pb2


def test_streams_are_told_once_the_wafer_is_attached(stage, spec):
    """Before there is an ingest address a worker waits, and says for what."""
    stage.join("a")
    assert stage.notice("a") == "waiting: no job at this coordinator yet"
    stage.submit("r", spec())
    assert stage.notice("a") == "waiting for the wafer to be programmed"
    stage.attach("r")
    told = stage.told["a"]
    leases = stage.streams("a")
    assert list(leases) == [0, 1, 2, 3]
    assert len(set(leases.values())) == 4
    assert (told.run_id, told.ingest_address, told.notice) == ("r", "localhost:1", "hosting streams 0, 1, 2, 3")
    assert told.data.streams == 4
    assert told.mode == run_pb2.MODE_TRAIN


def test_an_assignment_is_told_only_when_it_changes(running):
    """A worker whose work is unchanged hears nothing."""
    running.join("a", shard=0)
    assert not [i for i in running.join("b", shard=1) if isinstance(i, do.Tell) and i.worker_id == "a"]


def test_a_lost_workers_streams_go_to_others_with_higher_leases(running):
    """What moved has a new lease; what stayed keeps its own."""
    running.join("a")
    running.join("b")
    before, lost = running.streams("b"), running.streams("a")
    running.lose("a")
    after = running.streams("b")
    assert set(after) == {0, 1, 2, 3}
    assert all(after[s] == before[s] for s in before)
    assert all(after[s] > max(lost.values()) for s in lost)


def test_a_stream_that_comes_back_to_its_host_has_a_new_lease(running):
    """A worker that hosted a stream before hosts it under another number: its old pushes are refused."""
    running.join("a")
    first = running.streams("a")[2]
    running.join("b", shard=2)
    between = running.streams("b")[2]
    running.lose("b")
    assert first < between < running.streams("a")[2]


def test_a_silent_worker_is_given_up(running):
    """Silence beyond the limit ends a worker; a heartbeat in time keeps it."""
    running.join("a")
    running.join("b")
    running.tick(2.0)
    running.beat("b")
    out = running.tick(1.0)
    assert [i.worker_id for i in out if isinstance(i, do.Dismiss)] == ["a"]
    assert len(running.streams("b")) == 4
    with pytest.raises(Refused, match="given up"):
        running.beat("a")


def test_a_stale_incarnation_is_refused(running):
    """Every word of a worker names the number it was given."""
    running.join("a")
    stale = running.incarnations["a"] - 1
    with pytest.raises(Refused):
        running.play(ev.WorkerBeat(0.0, "a", stale))
    with pytest.raises(Refused):
        running.play(ev.FailureReported(0.0, "a", stale, "r", 0, run_pb2.Problem(what="x")))
    assert running.play(ev.WorkerLost(0.0, "a", stale)) == []


def test_incarnations_rise(stage):
    """No two registrations share a number."""
    stage.join("a")
    stage.join("b")
    assert stage.incarnations["b"] > stage.incarnations["a"]


def test_of_two_workers_for_one_stream_the_later_one_waits(running):
    """It is told who has its stream, and takes over when that one leaves."""
    running.join("a", shard=3)
    running.join("b", shard=3)
    assert running.notice("b") == "waiting: stream 3 is hosted by worker host:a; this one stands by for it"
    lease = running.streams("a")[3]
    running.lose("a")
    assert list(running.streams("b")) == [3]
    assert running.streams("b")[3] > lease


def test_a_worker_for_a_stream_that_the_job_lacks_is_told(running):
    """The notice says which streams there are."""
    running.join("a", shard=7)
    assert running.notice("a") == "waiting: the job has 4 streams, 0..3; this worker is for stream 7"


def test_a_worker_too_many_stands_by(running):
    """With more workers than streams, the rest is told so."""
    for name in "abcde":
        running.join(name)
    assert running.notice("e") == "all 4 streams are hosted by others; standing by"


def test_workers_of_another_session_wait(stage, spec):
    """Only a session's own workers, and those of none, serve its run."""
    stage.join("other", session="s2")
    stage.join("own", session="s1")
    stage.submit("r", spec(session="s1"))
    stage.attach("r")
    assert not stage.streams("other")
    assert stage.notice("other") == "waiting: the job of another session is running"
    stage.submit("q", spec(session="s2", model_dir="/tmp/q"))
    assert stage.notice("other") == "waiting: the job is queued, 1 ahead"
    assert len(stage.streams("own")) == 4


def test_workers_leave_with_their_session(stage, spec):
    """When its run has ended a session's worker is told to leave; one started by hand stays."""
    stage.join("own", session="s1")
    stage.join("free")
    stage.submit("r", spec(session="s1"))
    stage.attach("r")
    stage.say("r", finished=run_pb2.Finished())
    assert stage.told["own"].leave
    assert not stage.told["free"].leave
    assert stage.notice("free") == "waiting: no job at this coordinator yet"


def test_a_worker_without_a_loader_is_told_what_is_missing(stage, spec):
    """A run on a user's own loader leaves workers without one waiting."""
    stage.join("a")
    stage.submit("r", spec(recipe=""))
    stage.attach("r")
    assert "own loader" in stage.notice("a")
    stage.join("b", has_loader=True)
    assert len(stage.streams("b")) == 4


def test_streams_without_a_host_are_published_once(running):
    """The phase names them, changes with them, and gives way to the wafer's own word."""
    running.say("r", phase="running")
    running.join("a", shard=0)
    running.join("b", shard=1)
    running.beat("a")
    running.join("c")
    phases = [event.phase for event in running.heard["r"] if event.HasField("phase")]
    assert phases[1:] == [
        "waiting for workers: streams 0, 1, 2, 3 have no host",
        "running",
        "waiting for workers: streams 1, 2, 3 have no host",
        "waiting for workers: streams 2, 3 have no host",
        "running",
    ]


def test_a_failure_ends_the_run_and_names_who_failed(running):
    """The problem names worker, stream and exception, and reaches wafer and followers."""
    running.join("a")
    problem = run_pb2.Problem(kind="InvalidInput", what="KeyError: 'label'", where="data.py:12")
    out = running.play(ev.FailureReported(0.0, "a", running.incarnations["a"], "r", 2, problem))
    failed = running.heard["r"][-1].failed
    assert failed.what == "worker host:a cannot go on with stream 2: KeyError: 'label'"
    assert (failed.kind, failed.where) == ("InvalidInput", "data.py:12")
    assert do.OrderFail("r", failed) in out
    assert running.state.runs["r"].state == "failed"
    assert not running.streams("a")


def test_a_failure_of_a_stream_hosted_elsewhere_is_ignored(running):
    """A worker that no longer hosts a stream cannot end the run."""
    running.join("a", shard=0)
    running.join("b", shard=1)
    problem = run_pb2.Problem(what="late")
    running.play(ev.FailureReported(0.0, "b", running.incarnations["b"], "r", 0, problem))
    assert running.state.runs["r"].state == "running"


def test_readings_reach_the_wafer_signed(running):
    """A host's seams are forwarded with the worker's name; those of a worker without streams are not."""
    running.join("a")
    (forwarded,) = running.beat("a", (run_pb2.Seam(name="wire", items=3),))
    assert forwarded.run_id == "r"
    assert [(s.name, s.items, s.worker) for s in forwarded.report.seams] == [("wire", 3, "host:a")]
    running.join("z", shard=9)
    assert running.beat("z", (run_pb2.Seam(name="wire"),)) == []


def again(stage, worker_id, name, **options):
    """A worker registers again, as the same process."""
    return stage.play(ev.WorkerRegistered(stage.now, worker_id, name, **options))


def test_a_worker_that_registers_again_replaces_itself(running):
    """The old registration is dismissed; its streams stay with the process, under new leases, and nothing moves."""
    running.join("a")
    running.join("b")
    mine, others = running.streams("a"), running.streams("b")
    out = again(running, "a2", "host:a")
    assert [i.worker_id for i in out if isinstance(i, do.Dismiss)] == ["a"]
    assert set(running.streams("a2")) == set(mine)
    assert min(running.streams("a2").values()) > max(mine.values())
    assert running.streams("b") == others
    assert set(running.state.workers) == {"a2", "b"}
    with pytest.raises(Refused, match="given up"):
        running.beat("a")
    assert running.lose("a") == []


def test_who_registers_again_is_not_one_more(stage):
    """It finds its place also where there is none for others."""
    for number in range(stage.coordinator.limits.workers):
        stage.join(f"w{number}")
    again(stage, "new", "host:w0")
    assert len(stage.state.workers) == stage.coordinator.limits.workers


def test_lateness_outlives_a_registration(running):
    """A frozen process that wakes and registers again does not get the stream back at once."""
    running.join("a")
    running.join("b")
    stream = min(running.streams("a"))
    running.say("r", late=run_pb2.Late(stream=stream, worker="host:a", seconds=1.0))
    again(running, "a2", "host:a")
    assert stream in running.streams("b")
    assert running.state.workers["a2"].late == {stream}


def test_of_very_many_streams_the_first_are_named(stage, spec):
    """A phase is one short sentence."""
    stage.submit("r", spec(streams=4000))
    stage.attach("r")
    waiting = stage.state.runs["r"].waiting
    assert waiting.startswith("waiting for workers: streams 0, 1, 2, ")
    assert waiting.endswith(" 15 and 3,984 more have no host")


def test_workers_are_counted(stage):
    """Beyond the limit a worker is turned away."""
    for number in range(stage.coordinator.limits.workers):
        stage.join(f"w{number}")
    with pytest.raises(Exhausted):
        stage.join("last")


def test_nobody_is_given_up_because_the_coordinator_itself_stood_still(stage):
    """What workers said meanwhile could not be heard; from then on silence counts again."""
    stage.join("a")
    stage.now += 60.0
    stage.play(ev.HeldUp(stage.now, 60.0))
    stage.tick(0.2)
    assert len(stage.state.workers) == 1
    stage.tick(stage.coordinator.limits.lost_after_seconds)
    assert not stage.state.workers


def gone(stage):
    """Of whom the chief of run "r" was told that they are gone: who, why, and their last lines."""
    told = [event.gone for event in stage.heard["r"] if event.HasField("gone")]
    return [(each.worker, each.why, list(each.lines)) for each in told]


def test_a_worker_that_is_gone_is_told_with_its_last_lines(stage, spec):
    """The chief hears of the workers of its session, and of any that hosted streams; not of others."""
    stage.submit("r", spec(session="s"))
    stage.attach("r")
    stage.join("mine", session="s")
    stage.join("any")
    stage.join("other", session="t")
    for line in range(25):
        stage.play(ev.WorkerBeat(0.0, "mine", stage.incarnations["mine"], (), None, (f"line {line}",)))
    for worker in ("mine", "any", "other"):
        stage.lose(worker)
    assert [who for who, *_ in gone(stage)] == ["host:mine", "host:any"]
    assert gone(stage)[0][1:] == ("its connection ended", [f"line {line}" for line in range(5, 25)])


def test_a_process_that_registers_again_is_not_gone(stage, spec):
    """It lost its connection, and nothing else."""
    stage.submit("r", spec(session="s"))
    stage.attach("r")
    stage.join("a", session="s")
    stage.play(ev.WorkerRegistered(0.0, "b", "host:a", session="s"))
    assert gone(stage) == []
    assert set(stage.streams("b")) == {0, 1, 2, 3}


def test_a_task_that_ends_before_it_hosts_is_told(stage, spec):
    """At once where there is a run of its session, else as soon as there is one; nobody is told twice."""
    stage.play(ev.TaskEnded(0.0, "host:1", "s", ("KeyError: 'x'",)))
    stage.play(ev.TaskEnded(0.0, "host:2", "t", ()))
    stage.submit("r", spec(session="s"))
    stage.play(ev.TaskEnded(0.0, "host:3", "s", ()))
    assert gone(stage) == [
        ("host:1", "it ended with an error", ["KeyError: 'x'"]),
        ("host:3", "it ended with an error", []),
    ]
    assert list(stage.state.fallen) == ["t"]


def test_few_ended_tasks_are_remembered(stage):
    """Of so many sessions, so many tasks: what nobody asks for does not grow."""
    most = stage.coordinator.limits.fallen
    for number in range(3 * most):
        stage.play(ev.TaskEnded(0.0, "host:1", f"s{number}", ()))
        stage.play(ev.TaskEnded(0.0, f"host:{number}", "last", ()))
    assert len(stage.state.fallen) == most
    assert all(len(tasks) <= most for tasks in stage.state.fallen.values())
