"""The line to the coordinator: what ends it, and what is said when the other end is gone."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import grpc
import pytest

from streamer.reporting import CoordinatorGone, CoordinatorLine, Dismissed
from streamer.worker import Worker, WorkerOptions
from wire.channel import Security, serve
from wire.errors import Exhausted, Fault, Refused, Stopped, Unreachable
from wire.status import abort
from wire.v1 import coordinator_pb2, coordinator_pb2_grpc

REGISTRATION = coordinator_pb2.RegisterRequest(name="w")


class Scripted(coordinator_pb2_grpc.CoordinatorServicer):
    """A coordinator that says what the test says, and notes what it hears."""

    def __init__(self) -> None:
        self.fault: Fault | None = None
        self.answers: list[Fault | None] = []
        self.registered = 0
        self.heard = threading.Semaphore(0)
        self.reports: list[coordinator_pb2.ReportFailureRequest] = []
        self.beats: list[coordinator_pb2.HeartbeatRequest] = []
        self.assignments = [coordinator_pb2.Assignment(notice="waiting: no job")]
        self.end = threading.Event()

    def Register(self, request, context):  # noqa: N802 - gRPC's name
        self.registered += 1
        if self.answers and (fault := self.answers.pop(0)) is not None:
            abort(context, fault)
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
    with pytest.raises(CoordinatorGone, match=f"the coordinator at {coordinator[2]} is gone"):
        next(told)


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Refused("given up: silent", fix="register again"), Dismissed),
        (Stopped("shutting down"), Stopped),
        (Unreachable("its journal cannot be written"), CoordinatorGone),
        (None, Dismissed),
    ],
    ids=["given up", "shut down", "broken", "no word"],
)
def test_how_the_watch_ended_is_told_apart(
    coordinator: tuple[Scripted, grpc.Server, str], line: CoordinatorLine, fault: Fault | None, kind: type[Fault]
) -> None:
    """A worker registers again where it was given up, waits where the coordinator is gone, ends where it is told."""
    coordinator[0].fault = fault
    told = line.assignments()
    next(told)
    coordinator[0].end.set()
    with pytest.raises(kind, match=fault.what if isinstance(fault, Refused | Stopped) else None):
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
    next(told := line.assignments())
    for _ in range(2):
        assert coordinator[0].heard.acquire(timeout=20)
    line.close()
    assert list(told) == []
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


class Dismissing(Scripted):
    """A coordinator that gives a worker up a few times, and then lets it go."""

    def __init__(self, *ends: Fault) -> None:
        super().__init__()
        self._ends = iter(ends)

    def Watch(self, request, context):  # noqa: N802 - gRPC's name
        yield coordinator_pb2.Assignment(notice="waiting: no job")
        if (fault := next(self._ends, None)) is not None:
            abort(context, fault)
        yield coordinator_pb2.Assignment(leave=True)


def served(scripted: Scripted, port: int = 0) -> tuple[grpc.Server, str]:
    server, port = serve("localhost", port, Security(), threads=8)
    coordinator_pb2_grpc.add_CoordinatorServicer_to_server(scripted, server)
    server.start()
    return server, f"localhost:{port}"


def test_a_worker_that_was_given_up_registers_again() -> None:
    """In the same process, at once, as often as it takes; also where the coordinator is full for a moment."""
    scripted = Dismissing(Refused("given up: silent"), Refused("given up: silent"))
    server, address = served(scripted)
    try:
        worker = Worker(WorkerOptions(address))
        assert worker.run() == 0
        assert scripted.registered == 3
    finally:
        server.stop(None).wait()


def test_a_worker_waits_for_a_coordinator_that_is_gone(caplog: pytest.LogCaptureFixture) -> None:
    """It says so once, looks for it again and again, and works for the next one at the address."""
    first = Scripted()
    server, address = served(first)
    worker = Worker(WorkerOptions(address))
    codes: list[int] = []
    with caplog.at_level("WARNING", "streamer"):
        thread = threading.Thread(target=lambda: codes.append(worker.run()), daemon=True)
        thread.start()
        assert first.heard.acquire(timeout=20)
        server.stop(None).wait()
        second = Dismissing()
        second.answers = [Exhausted("1200 workers are registered")]
        server, _ = served(second, int(address.rpartition(":")[2]))
        thread.join(20)
    server.stop(None).wait()
    assert codes == [0]
    assert second.registered == 2
    assert [record.getMessage() for record in caplog.records if "gone" in record.getMessage()] == [
        f"the coordinator at {address} is gone; hosting nothing, and waiting up to 300 s for another one"
    ]


class Dying(Scripted):
    """A coordinator that hears of a worker, and answers nothing any more."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = threading.Event()

    def Register(self, request, context):  # noqa: N802 - gRPC's name
        self.asked.set()
        self.end.wait(20)
        return super().Register(request, context)


def test_a_first_registration_that_is_cut_off_is_made_again() -> None:
    """A coordinator that dies before its answer is through, and is started again, has its worker all the same."""
    first, second = Dying(), Dismissing()
    server, address = served(first)
    worker = Worker(WorkerOptions(address))
    codes: list[int] = []
    thread = threading.Thread(target=lambda: codes.append(worker.run()), daemon=True)
    thread.start()
    assert first.asked.wait(20)
    server.stop(None)
    first.end.set()
    server.stop(None).wait()
    server, _ = served(second, int(address.rpartition(":")[2]))
    thread.join(20)
    server.stop(None).wait()
    assert codes == [0]
    assert second.registered == 1


def test_a_worker_that_waits_leaves_at_once_when_told(coordinator: tuple[Scripted, grpc.Server, str]) -> None:
    """Nobody has to wait for its patience."""
    worker = Worker(WorkerOptions(coordinator[2]))
    codes: list[int] = []
    thread = threading.Thread(target=lambda: codes.append(worker.run()), daemon=True)
    thread.start()
    assert coordinator[0].heard.acquire(timeout=20)
    coordinator[1].stop(None).wait()
    while worker._patience.gone_since is None:
        assert thread.is_alive()
    worker.leave()
    thread.join(5)
    assert codes == [0]


def test_a_worker_gives_up_when_patience_is_over(
    coordinator: tuple[Scripted, grpc.Server, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One error that says for how long it waited."""
    monkeypatch.setattr("streamer.patience.PATIENCE_SECONDS", 0.0)
    monkeypatch.setattr("streamer.worker.TRY_SECONDS", 0.1)
    scripted, server, address = coordinator
    stopper = threading.Thread(target=lambda: (scripted.heard.acquire(timeout=20), server.stop(None)))
    stopper.start()
    with pytest.raises(CoordinatorGone, match="has been gone for"):
        Worker(WorkerOptions(address)).run()
    stopper.join()


@pytest.mark.parametrize("fault", [Refused("another token"), Stopped("shutting down")], ids=["refused", "stopping"])
def test_what_will_not_change_ends_a_worker_that_comes_back(fault: Fault) -> None:
    """A wrong token and an orderly shutdown are no reason to try again."""
    scripted = Dismissing(Refused("given up"))
    scripted.answers = [None, fault]
    server, address = served(scripted)
    try:
        with pytest.raises(type(fault), match=fault.what):
            Worker(WorkerOptions(address)).run()
    finally:
        server.stop(None).wait()
