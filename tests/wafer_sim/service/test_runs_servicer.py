"""Compile, submit, follow and cancel over a real server, with a wafer process that plays a part."""

import hashlib

import grpc
import pytest

from wire.errors import InvalidInput, NotFound, Refused
from wire.status import raised
from wire.v1 import run_pb2


def kinds(events):
    """What each event says."""
    return [event.WhichOneof("event") for event in events]


def fault(call):
    """The Fault with which a call ends."""
    with pytest.raises(grpc.RpcError) as caught:
        call()
    return raised(caught.value, "here")


def test_a_run_is_followed_from_its_submission_to_its_end(client):
    """Every event of coordinator and wafer, numbered without gaps; then the call ends."""
    events = list(client.follow(client.submit()))
    start = events[0].number
    assert [event.number for event in events] == list(range(start, start + len(events)))
    said = [kind for kind in kinds(events) if kind != "phase"]
    assert said == ["progress", "progress", "saved", "finished"]
    (status,) = client.status().runs
    assert (status.state, status.progress.step) == ("finished", 2)


def test_following_goes_on_after_a_number(client):
    """A follower that lost its call hears only what it has not heard."""
    run_id = client.submit()
    events = list(client.follow(run_id))
    assert list(client.follow(run_id, after=events[2].number)) == events[3:]
    assert list(client.follow(run_id, after=events[-1].number)) == []


def test_a_second_compile_is_cached(client, program):
    """The same program is the same executable, and is kept once."""
    first, second = client.compile(), client.compile(chunk=1000)
    assert first.executable == second.executable == hashlib.sha256(program().to_json().encode()).hexdigest()
    assert (first.cached, second.cached) == (False, True)


def test_a_program_without_a_kernel_is_refused_with_the_users_line(client, program):
    """The service checks the program itself."""
    refusal = fault(lambda: client.compile(program("aten.evil.default")))
    assert isinstance(refusal, Refused)
    assert "aten.evil.default" in refusal.what
    assert "model.py:7" in refusal.where


def test_what_is_no_program_is_invalid(client):
    """Garbage on the wire is the caller's mistake."""
    request = iter([run_pb2.CompileRequest(program=b"\x80\x04garbage")])
    assert isinstance(fault(lambda: client.runs.Compile(request)), InvalidInput)


def test_a_program_is_bounded(client, monkeypatch):
    """Chunks beyond the limit end the call before they are put together."""
    monkeypatch.setattr("wafer_sim.service.runs_servicer.MAX_PROGRAM_BYTES", 100)
    assert "at most" in fault(client.compile).what


def test_an_unsound_spec_is_refused_at_once(client):
    """Nothing is queued for it."""
    spec = client.spec(model_dir="relative")
    assert isinstance(fault(lambda: client.runs.Submit(run_pb2.SubmitRequest(spec=spec))), InvalidInput)
    assert not client.status().runs


def test_an_executable_that_was_not_compiled_here_is_not_found(client):
    """The fix is said."""
    spec = client.spec(executable="b" * 64)
    missing = fault(lambda: client.runs.Submit(run_pb2.SubmitRequest(spec=spec)))
    assert isinstance(missing, NotFound)
    assert "compile" in missing.fix


def test_an_unknown_run_is_not_found(client):
    """For followers and for those who cancel."""
    assert isinstance(fault(lambda: list(client.follow("run-x"))), NotFound)
    assert isinstance(fault(lambda: client.cancel("run-x")), NotFound)


def test_a_queued_run_is_told_its_place_and_then_runs(client, until):
    """The wafer is free once the process of the run before is gone."""
    first = client.submit("wait")
    running = client.follow(first)
    until(running, lambda event: event.phase.startswith("pid"))
    second = client.follow(client.submit())
    assert next(second).queued == 1
    client.cancel(first)
    assert until(running, lambda event: event.HasField("finished")).finished.stopped
    assert kinds(second)[-1] == "finished"


def test_a_queued_run_can_be_cancelled(client):
    """It ends as stopped, and never gets the wafer."""
    client.submit("wait")
    second = client.submit()
    client.cancel(second)
    assert kinds(client.follow(second)) == ["queued", "finished"]


def test_a_wafer_that_dies_fails_its_run_with_what_it_wrote(client):
    """Exit code and the last lines of stderr are in the problem."""
    *_, last = client.follow(client.submit("die"))
    assert "exit code 7" in last.failed.what
    assert "ValueError: the last line on stderr" in last.failed.where


def test_a_follower_that_leaves_is_forgotten(serve, client_of, until):
    """A broken follow does not count against the limit."""
    service = serve()
    client = client_of(service.address)
    run_id = client.submit("wait")
    for _ in range(70):
        events = client.follow(run_id)
        until(events, lambda event: event.HasField("phase"))
        events.cancel()
    client.cancel(run_id)
    assert kinds(client.follow(run_id))[-1] == "finished"
