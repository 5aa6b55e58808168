"""Workers over a real server."""

import grpc
import pytest

from wafer_sim.coordinator.state import Limits
from wire.channel import Security
from wire.errors import InvalidInput, Refused
from wire.status import raised
from wire.v1 import coordinator_pb2, run_pb2

WORD = "open sesame"


def streams(assignment):
    """stream -> lease"""
    return {lease.stream: lease.lease for lease in assignment.streams}


def fault(call):
    """The Fault with which a call ends."""
    with pytest.raises(grpc.RpcError) as caught:
        call()
    return raised(caught.value, "here")


def test_a_worker_waits_hosts_and_is_idle_again(client, until):
    """It is told so at each turn, over one watch."""
    told = client.watch(client.register())
    assert "no job" in next(told).notice
    run_id = client.submit("wait")
    hosting = until(told, lambda assignment: assignment.streams)
    assert (hosting.run_id, hosting.ingest_address, sorted(streams(hosting))) == (run_id, "localhost:1", [0, 1])
    client.cancel(run_id)
    assert until(told, lambda assignment: not assignment.streams).notice.startswith("waiting: no job")


def test_the_streams_of_a_worker_that_breaks_off_go_to_another(client, until):
    """With a higher lease, at once: the broken watch says it."""
    one, two = client.register("one"), client.register("two")
    told_one, told_two = client.watch(one), client.watch(two)
    client.submit("wait")
    mine = streams(until(told_two, lambda assignment: assignment.streams))
    theirs = streams(until(told_one, lambda assignment: assignment.streams))
    told_one.cancel()
    after = streams(until(told_two, lambda assignment: len(assignment.streams) == 2))
    (moved,) = theirs
    assert after == mine | {moved: after[moved]}
    assert after[moved] > max(*theirs.values(), *mine.values())
    assert isinstance(fault(lambda: client.beat(one)), Refused)


def test_a_silent_worker_is_dismissed(serve, client_of):
    """Its watch ends with the reason, so that it can register again."""
    client = client_of(serve(limits=Limits(lost_after_seconds=0.3)).address)
    told = client.watch(client.register())
    dismissal = fault(lambda: list(told))
    assert isinstance(dismissal, Refused)
    assert "silent" in dismissal.what


def test_a_second_watch_is_refused(client):
    """A worker has one life line."""
    worker = client.register()
    told = client.watch(worker)
    next(told)
    assert "watch already" in fault(lambda: next(client.watch(worker))).what


def test_a_stale_incarnation_is_refused(client):
    """In every call of a worker."""
    worker = client.register()
    worker.incarnation += 1
    report = coordinator_pb2.ReportFailureRequest(worker_id=worker.worker_id, incarnation=worker.incarnation)
    for call in (
        lambda: client.beat(worker),
        lambda: next(client.watch(worker)),
        lambda: client.coordinator.ReportFailure(report),
    ):
        assert isinstance(fault(call), Refused)


def test_a_reported_failure_ends_the_run(client, until):
    """The follower reads which worker, which stream and which exception."""
    worker = client.register("host:9")
    told = client.watch(worker)
    run_id = client.submit("wait")
    until(told, lambda assignment: assignment.streams)
    request = coordinator_pb2.ReportFailureRequest(
        worker_id=worker.worker_id,
        incarnation=worker.incarnation,
        run_id=run_id,
        stream=1,
        problem=run_pb2.Problem(kind="InvalidInput", what="ZeroDivisionError: division by zero", where="data.py:3"),
    )
    client.coordinator.ReportFailure(request)
    *_, last = client.follow(run_id)
    assert last.failed.what == "worker host:9 cannot go on with stream 1: ZeroDivisionError: division by zero"
    assert last.failed.where == "data.py:3"


def test_readings_are_forwarded_to_the_wafer(client, until):
    """A heartbeat's seams reach the wafer process, signed with the worker's name."""
    worker = client.register("host:9")
    told = client.watch(worker)
    events = client.follow(client.submit("wait"))
    until(told, lambda assignment: assignment.streams)
    client.beat(worker, run_pb2.Seam(name="wire"), run_pb2.Seam(name="prefetch"))
    assert until(events, lambda event: "seams" in event.phase).phase == "2 seams of host:9"


def test_chiefs_are_elected_and_resign(client):
    """First come, first served."""

    def elect(candidate):
        return client.coordinator.Elect(coordinator_pb2.ElectRequest(job="/m", candidate=candidate)).chief

    assert (elect("a"), elect("b")) == ("a", "a")
    client.coordinator.Resign(coordinator_pb2.ResignRequest(job="/m", candidate="a"))
    assert elect("b") == "b"
    assert isinstance(fault(lambda: elect("")), InvalidInput)


def test_a_wrong_token_is_refused(serve, client_of):
    """Without the token nothing is answered; with it everything is, the wafer process included."""
    service = serve(security=Security(token=WORD))
    assert "token" in fault(client_of(service.address, Security(token=WORD[1:])).status).what
    friend = client_of(service.address, Security(token=WORD))
    *_, last = friend.follow(friend.submit())
    assert last.HasField("finished")


def test_another_version_is_refused(client, monkeypatch, client_of, serve):
    """Both versions are named."""
    monkeypatch.setattr("wire.admission.WIRE_VERSION", "0")
    old = client_of(serve("another").address)
    monkeypatch.undo()
    assert "'0'" in fault(old.status).what


def test_a_task_that_ends_is_told_to_whoever_follows(client):
    """With its last lines, also where it ended before there was a run."""
    report = coordinator_pb2.ReportEndRequest(name="host:9", session="s", lines=["KeyError: 'x'"])
    client.coordinator.ReportEnd(report, timeout=5)
    run_id = client.submit("wait", session="s")
    gone = next(event.gone for event in client.follow(run_id) if event.HasField("gone"))
    assert (gone.worker, list(gone.lines)) == ("host:9", ["KeyError: 'x'"])
    client.cancel(run_id)
    report.name = "x" * 300
    assert isinstance(fault(lambda: client.coordinator.ReportEnd(report, timeout=5)), InvalidInput)


def test_tasks_meet(client):
    """Each is told who is missing, and in the end what all gave."""

    def meet(task):
        request = coordinator_pb2.MeetRequest(session="s", tag="t", task=task, tasks=2, payload=str(task))
        reply = client.coordinator.Meet(request, timeout=5)
        return list(reply.payloads), list(reply.missing)

    assert meet(1) == ([], [0])
    assert meet(0) == meet(1) == (["0", "1"], [])


def test_a_successor_is_taken_for_a_chief_whose_call_broke_off(serve, client_of, until):
    """And not before: a task that stands by is told who is chief; where there is none, nobody is."""
    client = client_of(serve(limits=Limits(succession_seconds=0.0)).address)

    def offer(candidate):
        request = coordinator_pb2.ElectRequest(job="/m", candidate=candidate, successor=True)
        return client.coordinator.Elect(request, timeout=5).chief

    assert offer("s/1") == ""
    assert client.elect("/m", "s/0") == "s/0"
    run_id = client.submit("wait", model_dir="/m", session="s", chief="s/0")
    told = client.follow(run_id, session="s/0")
    until(told, lambda event: event.HasField("phase"))
    assert offer("s/1") == "s/0"
    told.cancel()
    until(iter(lambda: offer("s/1"), None), lambda chief: chief != "s/0")
    assert offer("s/2") == "s/1"
    client.cancel(run_id)
