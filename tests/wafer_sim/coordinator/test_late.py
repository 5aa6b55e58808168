"""Late streams go to others, and late workers get nothing new for a while."""

from wafer_sim.coordinator import instructions as do
from wafer_sim.coordinator.view import status_of
from wire.v1 import run_pb2


def late(stage, stream, worker="", seconds=1.0):
    """The wafer process says that a stream is late."""
    return stage.say("r", late=run_pb2.Late(stream=stream, worker=worker, seconds=seconds))


def pair(stage):
    """Two workers with two streams each."""
    stage.join("a")
    stage.join("b")
    stream = min(stage.streams("a"))
    return stream, stage.streams("a")[stream]


def beats(stage, names, seconds):
    """These workers send heartbeats for so long, and time passes."""
    for _ in range(int(seconds / 0.5)):
        for name in names:
            stage.beat(name)
        stage.tick(0.5)


def test_a_late_stream_goes_to_another_worker(running):
    """Under a new lease; nothing else moves; everybody is told."""
    stream, lease = pair(running)
    others = {**running.streams("a"), **running.streams("b")}
    out = late(running, stream, "host:a")
    assert running.streams("b")[stream] > lease
    now = {**running.streams("a"), **running.streams("b")}
    assert {s for s in now if now[s] != others[s]} == {stream}
    assert running.heard["r"][-1].late.stream == stream
    assert any("host:a is late" in i.text and "host:b hosts it" in i.text for i in out if isinstance(i, do.Note))
    workers = {w.name: list(w.late) for w in status_of(running.state, 0.0, 0.0).workers}
    assert workers == {"host:a": [stream], "host:b": []}


def test_the_only_worker_keeps_its_late_streams(running):
    """There is nobody else; followers hear of it all the same."""
    running.join("a")
    before = running.streams("a")
    late(running, 2, "host:a")
    assert running.streams("a") == before
    assert running.heard["r"][-1].late.stream == 2
    assert not running.state.workers["a"].late


def test_a_late_worker_does_not_get_the_stream_back(running):
    """Nor anything else, while another can host: it may be frozen."""
    stream, _ = pair(running)
    late(running, stream, "host:a")
    had = set(running.streams("a"))
    running.join("c")
    running.lose("c")
    assert set(running.streams("a")) == had


def test_a_late_stream_does_not_go_to_another_late_worker(running):
    """Whoever was late elsewhere is no better host."""
    stream, _ = pair(running)
    late(running, stream, "host:a")
    late(running, stream, "host:b")
    assert stream in running.streams("b")


def test_a_word_about_the_host_before_moves_nothing(running):
    """The stream has moved on already."""
    stream, _ = pair(running)
    late(running, stream, "host:a")
    running.join("c")
    lease = running.streams("b").get(stream) or running.streams("c")[stream]
    late(running, stream, "host:a")
    assert (running.streams("b").get(stream) or running.streams("c")[stream]) == lease


def test_a_host_of_a_moment_is_not_to_blame(running):
    """Where nobody pushes, the host is late only once it had the time to begin."""
    stream, lease = pair(running)
    late(running, stream, "", seconds=1.0)
    assert running.streams("a")[stream] == lease
    running.now += 1.0
    late(running, stream, "", seconds=1.0)
    assert stream in running.streams("b")


def test_a_stream_that_nobody_hosts_is_nobodys_fault(running):
    """Followers are told; nothing else happens."""
    assert [type(i) for i in late(running, 0)] == [do.Publish]


def test_a_steady_worker_counts_as_any_other_again(running):
    """After some seconds of heartbeats; nothing moves for that, the next change shares evenly."""
    stream, _ = pair(running)
    late(running, stream, "host:a")
    beats(running, "ab", 4.5)
    assert running.state.workers["a"].late == {stream}
    before = running.streams("a")
    beats(running, "ab", 1.0)
    assert not running.state.workers["a"].late
    assert running.streams("a") == before
    running.join("c")
    running.lose("c")
    assert (len(running.streams("a")), len(running.streams("b"))) == (2, 2)


def test_only_heartbeats_after_the_lateness_count(running):
    """A worker that was steady until it was late has to show it anew."""
    stream, _ = pair(running)
    beats(running, "ab", 8.0)
    late(running, stream, "host:a")
    beats(running, "ab", 1.0)
    assert running.state.workers["a"].late == {stream}


def test_a_worker_that_is_silent_again_is_not_steady(running):
    """The time may be over, but its heartbeats have stopped."""
    stream, _ = pair(running)
    late(running, stream, "host:a")
    beats(running, "ab", 3.0)
    beats(running, "b", 2.0)
    assert running.state.workers["a"].late == {stream}


def test_a_pause_starts_the_wait_anew(running):
    """A worker that stutters is not steady."""
    stream, _ = pair(running)
    late(running, stream, "host:a")
    beats(running, "ab", 4.0)
    running.now += 1.6
    beats(running, "ab", 4.5)
    assert running.state.workers["a"].late == {stream}


def test_where_only_late_workers_are_left_they_host(running):
    """Slow is better than nothing."""
    stream, _ = pair(running)
    late(running, stream, "host:a")
    running.lose("b")
    assert set(running.streams("a")) == {0, 1, 2, 3}


def test_a_pinned_stream_goes_to_who_stands_by(running):
    """The second worker of a late stream takes it over, and the first one stands by."""
    running.join("a", shard=1)
    running.join("b", shard=1)
    late(running, 1, "host:a")
    assert set(running.streams("b")) == {1}
    assert running.notice("a") == "stream 1 went to others, as this worker was late; standing by"


def test_another_run_starts_without_blame(running, spec):
    """Its streams are others."""
    stream, _ = pair(running)
    late(running, stream, "host:a")
    running.say("r", finished=run_pb2.Finished())
    assert not running.state.workers["a"].late
