"""The wafer process against a scripted coordinator: what it does with its orders, and how it leaves."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from wafer_sim.run import life
from wafer_sim.wafer_process import WaferProcess
from wire.channel import Security, serve
from wire.errors import Fault, InvalidInput, NotFound, Refused, Stopped
from wire.status import abort, problem_of
from wire.v1 import run_pb2, run_pb2_grpc

START = run_pb2.WaferOrder(start=run_pb2.RunSpec(max_steps=1))


class Coordinator(run_pb2_grpc.WaferServicer):
    """Gives the orders of the test and hears to the end what the process says."""

    def __init__(self) -> None:
        self.orders: Callable[[], Iterator[run_pb2.WaferOrder]] = lambda: iter(())
        self.fault: Fault | None = None
        self.said: list[run_pb2.WaferEvent] = []
        self.attached = threading.Event()
        self.all_said = threading.Event()

    def Attach(self, words, context):  # noqa: N802 - gRPC's name
        self.said.append(next(words))
        self.attached.set()
        if self.fault is not None:
            abort(context, self.fault)
        threading.Thread(target=self._hear, args=(words,), daemon=True).start()
        yield from self.orders()
        self.all_said.wait(20)

    def _hear(self, words: Iterator[run_pb2.WaferEvent]) -> None:
        with contextlib.suppress(grpc.RpcError):  # a process that is gone has said all
            self.said.extend(words)
        self.all_said.set()

    def kinds(self) -> list[str]:
        return [event.run.WhichOneof("event") for event in self.said[1:]]


class FakeRun:
    """A run that lives until it is told how to end; the test may hold its programming."""

    programming = threading.Event()
    go_on = threading.Event()
    refuses: Fault | None = None

    def __init__(self, run_id: str, spec: run_pb2.RunSpec, executables: Path, board: Any) -> None:
        FakeRun.programming.set()
        assert FakeRun.go_on.wait(20)
        if FakeRun.refuses is not None:
            raise FakeRun.refuses
        self.board = board
        self.ended = threading.Event()
        self.fault: Fault | None = None
        self.ingest = self

    def handler(self) -> grpc.GenericRpcHandler:
        return grpc.method_handlers_generic_handler("wire.v1.Ingest", {})

    def live(self) -> None:
        assert self.ended.wait(20)
        if self.fault is not None:
            raise self.fault
        self.board.finished(run_pb2.Finished(stopped=True))

    def stop(self) -> None:
        self.ended.set()

    def fail(self, fault: Fault) -> None:
        self.fault = fault
        self.ended.set()


@pytest.fixture(autouse=True)
def _fake(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(life, "Run", FakeRun)
    monkeypatch.setattr(FakeRun, "programming", threading.Event())
    monkeypatch.setattr(FakeRun, "go_on", threading.Event())
    monkeypatch.setattr(FakeRun, "refuses", None)


@pytest.fixture
def served() -> Iterator[tuple[Coordinator, grpc.Server, str]]:
    coordinator = Coordinator()
    server, port = serve("localhost", 0, Security(), threads=8)
    run_pb2_grpc.add_WaferServicer_to_server(coordinator, server)
    server.start()
    yield coordinator, server, f"localhost:{port}"
    coordinator.all_said.set()
    server.stop(None).wait()


class Life(threading.Thread):
    """A process's main in a thread."""

    def __init__(self, address: str) -> None:
        super().__init__(daemon=True)
        self.process = WaferProcess(address, "r", 1, Path("nowhere"))
        self.result: Any = None
        self.start()

    def run(self) -> None:
        try:
            self.result = self.process.main()
        except Fault as fault:
            self.result = fault

    def ended(self) -> Any:
        self.join(20)
        assert not self.is_alive()
        return self.result


def test_an_order_to_stop_ends_the_run_with_its_last_word(served: tuple[Coordinator, grpc.Server, str]) -> None:
    """Exit code 0; "finished" has reached the coordinator before the line ends."""
    coordinator, _, address = served
    FakeRun.go_on.set()
    coordinator.orders = lambda: iter((START, run_pb2.WaferOrder(stop=True)))
    assert Life(address).ended() == 0
    assert coordinator.kinds() == ["phase", "finished"]


@pytest.mark.parametrize("order", ["fail", "unknown", "a second start"])
def test_a_failure_ordered_while_it_is_programmed_is_not_forgotten(
    served: tuple[Coordinator, grpc.Server, str], order: str
) -> None:
    """A worker that fails early, or an order without meaning, ends the run as soon as there is one."""
    coordinator, _, address = served
    fault = InvalidInput("worker w cannot go on")
    orders = {"fail": run_pb2.WaferOrder(fail=problem_of(fault)), "unknown": run_pb2.WaferOrder()}

    def give() -> Iterator[run_pb2.WaferOrder]:
        yield START
        assert FakeRun.programming.wait(20)
        yield orders.get(order, START)
        # The reports of a worker come after it in order: when they are in, the failure was heard.
        yield run_pb2.WaferOrder(seams=run_pb2.SeamReport(worker_id="w", seams=[run_pb2.Seam(name="wire")]))

    coordinator.orders = give
    life = Life(address)
    while not life.process._board.seams():
        assert life.is_alive()
    FakeRun.go_on.set()
    assert life.ended() == 0
    assert coordinator.kinds() == ["phase", "failed"]
    what = "worker w cannot go on" if order == "fail" else "an order that has no meaning here"
    assert what in coordinator.said[-1].run.failed.what


def test_a_coordinator_that_goes_away_while_it_is_programmed_stops_it(
    served: tuple[Coordinator, grpc.Server, str],
) -> None:
    """The run is stopped as soon as there is one, and the process leaves."""
    coordinator, server, address = served
    coordinator.orders = lambda: iter((START,))
    life = Life(address)
    assert FakeRun.programming.wait(20)
    server.stop(None).wait()
    FakeRun.go_on.set()
    assert life.ended() == 0


def test_a_stop_while_it_is_programmed_ends_the_run_that_comes(served: tuple[Coordinator, grpc.Server, str]) -> None:
    """SIGTERM in that moment: the run begins stopped and says so."""
    coordinator, _, address = served
    coordinator.orders = lambda: iter((START,))
    life = Life(address)
    assert FakeRun.programming.wait(20)
    life.process.stop()
    FakeRun.go_on.set()
    assert life.ended() == 0
    assert coordinator.kinds() == ["phase", "finished"]


def test_a_stop_before_there_is_a_run_ends_the_wait_for_it(served: tuple[Coordinator, grpc.Server, str]) -> None:
    """A coordinator that never gives a run does not hold a process that was told to leave."""
    coordinator, _, address = served
    never = threading.Event()

    def give() -> Iterator[run_pb2.WaferOrder]:
        never.wait(20)
        yield START

    coordinator.orders = give
    life = Life(address)
    assert coordinator.attached.wait(20)
    life.process.stop()
    assert isinstance(life.ended(), Stopped)
    never.set()


def test_a_process_that_is_refused_says_why(served: tuple[Coordinator, grpc.Server, str]) -> None:
    """The coordinator's words are raised; the command shows them and exits with 1."""
    served[0].fault = Refused("run r awaits no wafer process")
    refused = Life(served[2]).ended()
    assert isinstance(refused, Refused)
    assert refused.what == "run r awaits no wafer process"


def test_what_cannot_be_programmed_is_told_and_the_process_leaves(
    served: tuple[Coordinator, grpc.Server, str],
) -> None:
    """A Fault of the run's making is its last word."""
    FakeRun.refuses = NotFound("there is no checkpoint to start from")
    FakeRun.go_on.set()
    served[0].orders = lambda: iter((START,))
    assert Life(served[2]).ended() == 0
    assert served[0].kinds() == ["phase", "failed"]
    assert served[0].said[-1].run.failed.kind == "NotFound"
