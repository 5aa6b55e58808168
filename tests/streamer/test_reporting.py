"""The line to the coordinator: what ends it, and what is said when the other end is gone."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import grpc
import pytest

from streamer.reporting import CoordinatorLine
from streamer.worker import Worker, WorkerOptions
from wire.channel import Security, serve
from wire.errors import Refused, Stopped, Unreachable
from wire.status import abort
from wire.v1 import coordinator_pb2, coordinator_pb2_grpc

REGISTRATION = coordinator_pb2.RegisterRequest(name="w")


class Scripted(coordinator_pb2_grpc.CoordinatorServicer):
    """A coordinator that says what the test says, and notes what it hears."""

    def __init__(self) -> None:
        self.fault: Refused | Stopped | None = None
        self.heard = threading.Semaphore(0)
        self.reports: list[coordinator_pb2.ReportFailureRequest] = []
        self.beats: list[coordinator_pb2.HeartbeatRequest] = []
        self.assignments = [coordinator_pb2.Assignment(notice="waiting: no job")]
        self.end = threading.Event()

    def Register(self, request, context):  # noqa: N802 - gRPC's name
        return coordinator_pb2.RegisterReply(worker_id="id", incarnation=7, heartbeat_seconds=0.01)

    def Watch(self, request, context):  # noqa: N802 - gRPC's name
        yield from self.assignments
        context.add_callback(self.end.set)
        self.end.wait(20)
        if self.fault is not None:
            abort(context, self.fault)

    def Heartbeat(self, request, context):  # noqa: N802 - gRPC's name
        self.beats.append(request)
        self.heard.release()
        return coordinator_pb2.HeartbeatReply()

    def ReportFailure(self, request, context):  # noqa: N802 - gRPC's name
        self.reports.append(request)
        return coordinator_pb2.ReportFailureReply()


@pytest.fixture
def coordinator() -> Iterator[tuple[Scripted, grpc.Server, str]]:
    scripted = Scripted()
    server, port = serve("localhost", 0, Security(), threads=8)
    coordinator_pb2_grpc.add_CoordinatorServicer_to_server(scripted, server)
    server.start()
    yield scripted, server, f"localhost:{port}"
    scripted.end.set()
    server.stop(None).wait()


@pytest.fixture
def line(coordinator: tuple[Scripted, grpc.Server, str]) -> Iterator[CoordinatorLine]:
    line = CoordinatorLine(coordinator[2], Security())
    line.register(REGISTRATION)
    yield line
    line.close()


@pytest.fixture
def nobody() -> Iterator[str]:
    """An address at which nobody answers."""
    with socket.socket() as held:
        held.bind(("localhost", 0))
        yield f"localhost:{held.getsockname()[1]}"


def test_leaving_ends_the_wait_for_assignments(line: CoordinatorLine) -> None:
    """From another thread, without an error."""
    told = line.assignments()
    assert next(told).notice == "waiting: no job"
    leaver = threading.Thread(target=line.leave)
    leaver.start()
    assert list(told) == []
    leaver.join(20)


def test_leaving_before_there_is_a_watch_is_not_forgotten(line: CoordinatorLine) -> None:
    """A signal that comes a moment too early ends the watch that begins after it."""
    line.leave()
    assert list(line.assignments()) == []


def test_leaving_ends_a_registration_that_nobody_answers(nobody: str) -> None:
    """Ctrl-C while a worker looks for its coordinator does not wait for its patience to run out."""
    line = CoordinatorLine(nobody, Security())
    line.leave()
    line.register(REGISTRATION)
    line.close()


def test_a_coordinator_that_went_away_is_named(
    coordinator: tuple[Scripted, grpc.Server, str], line: CoordinatorLine
) -> None:
    """One sentence with the address, and what to do."""
    told = line.assignments()
    next(told)
    coordinator[1].stop(None).wait()
    with pytest.raises(Unreachable, match=f"the coordinator at {coordinator[2]} is gone"):
        next(told)


@pytest.mark.parametrize("fault", [Refused("given up: silent", fix="register again"), Stopped("shutting down")])
def test_what_ends_the_watch_is_raised_whole(
    coordinator: tuple[Scripted, grpc.Server, str], line: CoordinatorLine, fault: Refused | Stopped
) -> None:
    """The coordinator's own words reach the worker's screen."""
    coordinator[0].fault = fault
    told = line.assignments()
    next(told)
    coordinator[0].end.set()
    with pytest.raises(type(fault), match=fault.what):
        next(told)


def test_a_failure_is_reported_with_the_line_that_raised(
    coordinator: tuple[Scripted, grpc.Server, str], line: CoordinatorLine
) -> None:
    """An exception that is no Fault becomes one: type, message and place."""
    with pytest.raises(ValueError, match="77") as raised:
        int("bad sample 77")
    line.failed("run-1", 2, raised.value)
    (report,) = coordinator[0].reports
    assert (report.worker_id, report.incarnation, report.run_id, report.stream) == ("id", 7, "run-1", 2)
    assert report.problem.what == "ValueError: invalid literal for int() with base 10: 'bad sample 77'"
    assert "test_reporting.py:" in report.problem.where


def test_heartbeats_go_on_at_the_coordinators_pace(
    coordinator: tuple[Scripted, grpc.Server, str], line: CoordinatorLine
) -> None:
    """Each has the latest readings; after `close` none is sent."""
    line.start_beating(lambda: [])
    for _ in range(2):
        assert coordinator[0].heard.acquire(timeout=20)
    line.close()
    assert {beat.incarnation for beat in coordinator[0].beats} == {7}
    assert not [thread for thread in threading.enumerate() if thread.name == "heartbeat"]


def test_a_worker_leaves_when_its_session_is_over(coordinator: tuple[Scripted, grpc.Server, str]) -> None:
    """Exit code 0, without being asked twice."""
    coordinator[0].assignments.append(coordinator_pb2.Assignment(leave=True, notice="the job has ended"))
    assert Worker(WorkerOptions(coordinator[2])).run() == 0


def test_a_worker_that_is_told_to_leave_ends_with_0(coordinator: tuple[Scripted, grpc.Server, str]) -> None:
    """Told from another thread while it waits for a job."""
    worker = Worker(WorkerOptions(coordinator[2], shard=1))
    codes: list[int] = []
    thread = threading.Thread(target=lambda: codes.append(worker.run()), daemon=True)
    thread.start()
    assert coordinator[0].heard.acquire(timeout=20)
    worker.leave()
    thread.join(20)
    assert codes == [0]


def test_a_worker_whose_coordinator_goes_away_raises_one_fault(
    coordinator: tuple[Scripted, grpc.Server, str],
) -> None:
    """The command shows it as one screen."""
    coordinator[0].fault = Stopped("the coordinator is shutting down")
    coordinator[0].end.set()
    with pytest.raises(Stopped, match="shutting down"):
        Worker(WorkerOptions(coordinator[2])).run()
