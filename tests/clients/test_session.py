"""A session: what it does while its coordinator is gone, and what it says."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import grpc
import pytest

from clients import session as sessions
from clients.session import Session
from wire.channel import Security, serve
from wire.errors import Fault, NotFound, Refused, Stopped, Unreachable
from wire.status import abort
from wire.v1 import coordinator_pb2, coordinator_pb2_grpc, run_pb2, run_pb2_grpc

JOB = "/m"


class Scripted(coordinator_pb2_grpc.CoordinatorServicer, run_pb2_grpc.RunsServicer):
    """A coordinator that says what the test says; `after` notes from where it was asked."""

    def __init__(self, *events: run_pb2.RunEvent, end: Fault | None = None, chief: str = "") -> None:
        self._events, self._end, self._chief = events, end, chief
        self.after: list[tuple[int, str]] = []
        self.elected: list[str] = []
        self.cut = threading.Event()
        self.hold = False
        self.chiefs: list[str] = []

    def Elect(self, request, context):  # noqa: N802 - gRPC's name
        self.elected.append(request.candidate)
        if request.successor:
            return coordinator_pb2.ElectReply(chief=self.succeeds(request))
        return coordinator_pb2.ElectReply(chief=self._chief or request.candidate)

    def succeeds(self, request):
        """Whom a task that offers itself is told."""
        return self.chiefs.pop(0) if self.chiefs else ""

    def Resign(self, request, context):  # noqa: N802 - gRPC's name
        return coordinator_pb2.ResignReply()

    def Submit(self, request, context):  # noqa: N802 - gRPC's name
        return run_pb2.SubmitReply(run_id="r", attached=True)

    def Status(self, request, context):  # noqa: N802 - gRPC's name
        def run(name, state, job, **spec):
            return coordinator_pb2.RunStatus(run_id=name, state=state, spec=run_pb2.RunSpec(model_dir=job, **spec))

        ended = {"session": "s", "chief": "s/0", "mode": run_pb2.MODE_TRAIN}
        runs = [run("a", "finished", JOB), run("b", "running", "/other"), run("c", "running", JOB)]
        runs += [run("d", "finished", "/left"), run("e", "failed", "/left", **ended)]
        return coordinator_pb2.StatusReply(runs=runs)

    def Follow(self, request, context):  # noqa: N802 - gRPC's name
        self.after.append((request.after, request.candidate))
        yield from self._events
        if self.hold:
            context.add_callback(self.cut.set)
            self.cut.wait(20)
        if self._end is not None:
            abort(context, self._end)


Serve = Callable[..., tuple[grpc.Server, str]]


@pytest.fixture
def served() -> Iterator[Serve]:
    """Serves scripted coordinators; all are stopped at the end of the test."""
    servers: list[grpc.Server] = []

    def start(scripted: Scripted, port: int = 0) -> tuple[grpc.Server, str]:
        server, port = serve("localhost", port, Security(), threads=8)
        coordinator_pb2_grpc.add_CoordinatorServicer_to_server(scripted, server)
        run_pb2_grpc.add_RunsServicer_to_server(scripted, server)
        server.start()
        servers.append(server)
        return server, f"localhost:{port}"

    yield start
    for server in servers:
        server.stop(None).wait()


def said(number: int, phase: str) -> run_pb2.RunEvent:
    return run_pb2.RunEvent(number=number, phase=phase)


def cut_off(server: grpc.Server) -> None:
    server.stop(None).wait()


def test_a_follower_goes_on_where_it_was_at_the_next_coordinator(served: Serve) -> None:
    """It is chief again there, asks for what came after, and says once that it waited, and that it is back."""
    first, second = Scripted(said(1, "a"), said(2, "b")), Scripted(said(2**32, "c"))
    first.hold = True
    server, address = served(first)
    with Session(address) as session:
        session.elect(JOB)
        events = session.follow("r")
        assert [next(events).phase, next(events).phase] == ["a", "b"]
        cut_off(server)
        gone = next(events)
        assert gone.phase.startswith(f"the coordinator at {address} is gone; waiting for it (the run goes on from")
        served(second, int(address.rpartition(":")[2]))
        assert [event.phase for event in events] == [f"the coordinator at {address} is back", "c"]
        assert first.after == [(0, session.id)]
        assert second.after == [(2, session.id)]
        assert second.elected == [session.id]


def test_a_coordinator_that_stays_away_is_an_error(served: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a while, with what to do."""
    monkeypatch.setattr(sessions, "BACK_SECONDS", 0.3)
    first = Scripted(said(1, "a"))
    first.hold = True
    server, address = served(first)
    with Session(address) as session:
        events = session.follow("r")
        next(events)
        cut_off(server)
        next(events)
        with pytest.raises(Unreachable, match=r"did not come back within 0\.3 s") as caught:
            next(events)
    assert "--state-dir" in caught.value.fix


@pytest.mark.parametrize(
    ("second", "kind", "words"),
    [
        (Scripted(end=NotFound("there is no run 'r' here")), NotFound, "does not know this run"),
        (Scripted(chief="another"), Refused, "another run.py is chief"),
    ],
    ids=["unknown", "taken"],
)
def test_a_coordinator_that_has_no_place_for_the_follower_is_an_error(
    served: Serve, second: Scripted, kind: type[Fault], words: str
) -> None:
    """A run that it does not know, or that another chief follows now, is not waited for."""
    first = Scripted(said(1, "a"))
    first.hold = True
    server, address = served(first)
    with Session(address) as session:
        session.elect(JOB)
        events = session.follow("r")
        next(events)
        cut_off(server)
        next(events)
        served(second, int(address.rpartition(":")[2]))
        with pytest.raises(kind, match=words):
            list(events)


@pytest.mark.parametrize(
    "fault", [Stopped("the coordinator is shutting down"), NotFound("no run")], ids=["shut down", "unknown"]
)
def test_a_coordinators_own_word_ends_the_following_at_once(served: Serve, fault: Fault) -> None:
    """An orderly shutdown and an unknown run are told, not waited out."""
    _, address = served(Scripted(end=fault))
    with Session(address) as session, pytest.raises(type(fault), match=fault.what):
        list(session.follow("r"))


def test_a_session_that_ends_ends_the_wait(served: Serve) -> None:
    """After Ctrl-C nothing of it waits on."""
    first = Scripted(said(1, "a"))
    first.hold = True
    server, address = served(first)
    faults: list[Fault] = []

    def listen() -> None:
        try:
            for _ in session.follow("r"):
                heard.release()
        except Fault as fault:
            faults.append(fault)

    heard = threading.Semaphore(0)
    with Session(address) as session:
        listener = threading.Thread(target=listen)
        listener.start()
        assert heard.acquire(timeout=20)
        cut_off(server)
        assert heard.acquire(timeout=20)
    listener.join(20)
    assert not listener.is_alive()
    assert len(faults) == 1


def test_a_submission_waits_for_the_coordinator(served: Serve, caplog: pytest.LogCaptureFixture) -> None:
    """It may be made twice: a run that is there already is attached to."""
    server, address = served(Scripted())
    with Session(address) as session:
        session.elect(JOB)
        cut_off(server)
        starter = threading.Thread(target=lambda: served(Scripted(), int(address.rpartition(":")[2])))
        starter.start()
        assert session.submit(run_pb2.RunSpec()).attached
        starter.join()


def test_the_live_run_of_a_job_is_found(served: Serve) -> None:
    """Neither one that has ended nor another job's."""
    _, address = served(Scripted())
    with Session(address) as session:
        found = session.live_run(JOB)
        assert found is not None
        assert found.run_id == "c"
        assert session.live_run("/nobody's") is None


def test_a_chief_that_may_have_been_killed_is_waited_for(served: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """The coordinator takes it for dead some seconds later, and the one that waited is chief."""

    class Patient(Scripted):
        def Elect(self, request, context):  # noqa: N802 - gRPC's name
            reply = super().Elect(request, context)
            return coordinator_pb2.ElectReply(chief="the dead one") if len(self.elected) < 3 else reply

    monkeypatch.setattr(sessions, "PAUSE_SECONDS", 0.01)
    script = Patient()
    _, address = served(script)
    with Session(address) as session:
        session.elect(JOB)
        assert script.elected == [session.id] * 3


def test_another_chief_that_lives_is_left_alone(served: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is waited for no longer than it takes to know."""
    monkeypatch.setattr(sessions, "CHIEF_PATIENCE_SECONDS", 0.0)
    _, address = served(Scripted(chief="another"))
    with Session(address) as session, pytest.raises(Refused, match=r"another run\.py is chief"):
        session.elect(JOB)


def test_a_chief_says_again_and_again_that_it_lives(served: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """From its election on, until its session is over."""
    monkeypatch.setattr(sessions, "CHIEF_BEAT_SECONDS", 0.01)
    heard = threading.Event()

    class Listening(Scripted):
        def Elect(self, request, context):  # noqa: N802 - gRPC's name
            reply = super().Elect(request, context)
            if len(self.elected) == 4:
                heard.set()
            return reply

    _, address = served(Listening())
    with Session(address) as session:
        session.elect(JOB)
        assert heard.wait(10)


def test_a_task_that_stands_by_is_told_when_it_is_chief(served: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """It offers itself as a successor until another answer comes; a coordinator that is gone gives none."""
    monkeypatch.setattr(sessions, "STANDBY_SECONDS", 0.01)
    asked: list[coordinator_pb2.ElectRequest] = []

    class Vacant(Scripted):
        def Elect(self, request, context):  # noqa: N802 - gRPC's name
            asked.append(request)
            if len(asked) == 1:
                abort(context, Unreachable("not yet"))
            return coordinator_pb2.ElectReply(chief="s/2" if len(asked) == 3 else "")

    _, address = served(Vacant())
    session = Session(address, name="s", candidate="s/2")
    assert session.stand_by(JOB, threading.Event())
    session.close()
    assert [(each.job, each.candidate, each.successor) for each in asked] == [(JOB, "s/2", True)] * 3


def test_a_task_stops_standing_by_when_it_is_over(served: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """The job has ended without it."""
    monkeypatch.setattr(sessions, "STANDBY_SECONDS", 0.01)
    over = threading.Event()

    class Led(Scripted):
        def Elect(self, request, context):  # noqa: N802 - gRPC's name
            over.set()
            return coordinator_pb2.ElectReply(chief="s/0")

    _, address = served(Led())
    session = Session(address, name="s", candidate="s/2")
    assert not session.stand_by(JOB, over)
    session.close()


@pytest.mark.parametrize(("chief", "led"), [("", False), ("s/2", False), ("s/1", True), ("t/1", False), ("s", False)])
def test_a_first_task_that_comes_again_finds_its_successor(served: Serve, chief: str, led: bool) -> None:
    """Another task of the same session; a chief of another one is refused later, as ever."""
    _, address = served(Scripted(chief=chief))
    with Session(address, name="s", candidate="s/2") as session:
        assert session.is_led_by_colleague(JOB) == led


def test_the_chief_of_an_ended_run_is_outlasted(served: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """Until it is gone, which makes this task chief, or no task of the session is chief any more."""
    monkeypatch.setattr(sessions, "STANDBY_SECONDS", 0.01)
    script = Scripted()
    _, address = served(script)
    with Session(address, name="s", candidate="s/1") as session:
        script.chiefs = ["s/0", "s/0", "s/1"]
        assert session.outlast(JOB)
        script.chiefs = ["s/0", "s/2", ""]
        assert not session.outlast(JOB)
        script.chiefs = ["s/0", "another", "s/1"]
        assert not session.outlast(JOB)
        assert script.elected == ["s/1"] * 8


def test_a_coordinator_that_left_with_the_job_is_not_waited_for(served: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is left to do there, as far as anybody knows."""
    monkeypatch.setattr(sessions, "STANDBY_SECONDS", 0.01)
    monkeypatch.setattr(sessions, "CHIEF_PATIENCE_SECONDS", 0.1)
    server, address = served(Scripted())
    with Session(address, name="s", candidate="s/1") as session:
        cut_off(server)
        assert not session.outlast(JOB)


def test_the_run_that_a_colleague_left_is_found(served: Serve) -> None:
    """The newest of the job, unless it is of another session, of another mode, or this task's own."""
    _, address = served(Scripted())
    found = []
    for name, candidate in (("s", "s/1"), ("s", "s/0"), ("t", "t/1")):
        with Session(address, name=name, candidate=candidate) as session:
            found.append(session.left_behind("/left", run_pb2.MODE_TRAIN))
            assert session.left_behind("/left", run_pb2.MODE_EVAL) is None
            assert session.left_behind("/nobody's", run_pb2.MODE_TRAIN) is None
    assert [run and run.run_id for run in found] == ["e", None, None]
