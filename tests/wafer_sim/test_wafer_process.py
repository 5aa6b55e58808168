"""The wafer process against a scripted coordinator: what it does with its orders, and how it leaves."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import grpc
import pytest

from wafer_sim import wafer_process
from wafer_sim.durable import hold
from wafer_sim.run import life
from wafer_sim.run.board import Board
from wafer_sim.wafer_process import StillHeld, WaferProcess
from wire.channel import Security, serve
from wire.cores import Cores, tasks_of
from wire.errors import Fault, InvalidInput, NotFound, Refused, Stopped, Unreachable
from wire.status import abort, problem_of
from wire.v1 import run_pb2, run_pb2_grpc

START = run_pb2.WaferOrder(start=run_pb2.RunSpec(max_steps=1))

linux = pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this operating system binds no threads")


class Coordinator(run_pb2_grpc.WaferServicer):
    """Gives the orders of the test and hears to the end what the process says."""

    def __init__(self) -> None:
        self.orders: Callable[[], Iterator[run_pb2.WaferOrder]] = lambda: iter(())
        self.fault: Fault | None = None
        self.said: list[run_pb2.WaferEvent] = []
        self.attached = threading.Event()
        self.heard = threading.Event()
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
            for word in words:
                self.said.append(word)
                self.heard.set()
        self.all_said.set()

    def kinds(self) -> list[str]:
        return [event.run.WhichOneof("event") for event in self.said[1:]]


def _tasks() -> list[int]:
    return tasks_of(os.getpid()) if hasattr(os, "sched_getaffinity") else []


class FakeRun:
    """A run that lives until it is told how to end; the test may hold its programming."""

    programming = threading.Event()
    go_on = threading.Event()
    refuses: Fault | None = None
    bound: ClassVar[dict[int, set[int]]] = {}
    lives: ClassVar[threading.Event] = threading.Event()

    def __init__(self, spec: run_pb2.RunSpec, executables: Path, board: Any, memory: int) -> None:
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
        for task in _tasks():
            with contextlib.suppress(ProcessLookupError):
                self.bound[task] = os.sched_getaffinity(task)
        self.lives.set()
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
    monkeypatch.setattr(FakeRun, "bound", {})
    monkeypatch.setattr(FakeRun, "lives", threading.Event())


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


@linux
def test_the_ingest_stays_off_the_cores_that_compute(served: tuple[Coordinator, grpc.Server, str]) -> None:
    """While a run computes, its thread has those cores and every other thread, those of gRPC too, the input's."""
    coordinator, _, address = served
    FakeRun.go_on.set()
    computes = run_pb2.WaferOrder(start=run_pb2.RunSpec(max_steps=1, fabric=run_pb2.FABRIC_COMPUTE))

    def orders() -> Iterator[run_pb2.WaferOrder]:
        yield computes
        assert FakeRun.lives.wait(20)
        yield run_pb2.WaferOrder(stop=True)

    coordinator.orders = orders
    cores, life = Cores.here(), Life(address)
    assert life.ended() == 0
    others = [bound for task, bound in FakeRun.bound.items() if task != life.native_id]
    assert FakeRun.bound[life.native_id] == cores.compute
    assert others == [cores.input] * len(others)
    assert os.sched_getaffinity(0) == cores.all


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
    """A coordinator that never gives a run does not hold a process that was told to leave; its exit code is 0."""
    coordinator, _, address = served
    never = threading.Event()

    def give() -> Iterator[run_pb2.WaferOrder]:
        never.wait(20)
        yield START

    coordinator.orders = give
    life = Life(address)
    assert coordinator.attached.wait(20)
    life.process.stop()
    assert life.ended() == 0
    assert coordinator.kinds() == []
    never.set()


def test_a_coordinator_that_gives_no_run_is_given_up(
    served: tuple[Coordinator, grpc.Server, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The wait for the first order is bounded, and the error says who was silent."""
    monkeypatch.setattr(wafer_process, "ORDER_SECONDS", 0.05)
    never = threading.Event()

    def give() -> Iterator[run_pb2.WaferOrder]:
        never.wait(20)
        yield START

    served[0].orders = give
    silent = Life(served[2]).ended()
    never.set()
    assert isinstance(silent, Unreachable)
    assert f"{served[2]} gave no run within 0.05 s" in silent.what


def test_a_coordinator_that_is_closing_is_no_order_to_leave(served: tuple[Coordinator, grpc.Server, str]) -> None:
    """Its Stopped is raised like any other reason for which there is no run."""
    served[0].fault = Stopped("the coordinator is shutting down")
    assert isinstance(Life(served[2]).ended(), Stopped)


@pytest.fixture
def training(tmp_path: Path) -> run_pb2.WaferOrder:
    return run_pb2.WaferOrder(start=run_pb2.RunSpec(mode=run_pb2.MODE_TRAIN, model_dir=str(tmp_path), max_steps=1))


WAITING = "waiting for the wafer process before this one to leave"


def until_it_waits(life: Life, told: list[str]) -> None:
    while WAITING not in told:
        assert life.is_alive()


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The phases that were said, as they are."""
    said: list[str] = []
    phase = Board.phase

    def note(board: Board, text: str) -> None:
        said.append(text)
        phase(board, text)

    monkeypatch.setattr(Board, "phase", note)
    return said


def test_two_processes_never_train_in_one_model_dir(
    served: tuple[Coordinator, grpc.Server, str], training: run_pb2.WaferOrder, told: list[str], tmp_path: Path
) -> None:
    """The second says that it waits, and begins when the first has left; it holds the place while its run lives."""
    coordinator, _, address = served
    leave = threading.Event()

    def give() -> Iterator[run_pb2.WaferOrder]:
        yield training
        leave.wait(20)

    coordinator.orders = give
    with hold(tmp_path, 1, lambda: None):
        life = Life(address)
        until_it_waits(life, told)
        assert not FakeRun.programming.is_set()
    assert FakeRun.programming.wait(20)
    with pytest.raises(Refused), hold(tmp_path, 0.01, lambda: None):
        pass
    FakeRun.go_on.set()
    leave.set()
    life.process.stop()
    assert life.ended() == 0
    assert coordinator.kinds() == ["phase", "phase", "finished"]
    with hold(tmp_path, 1, lambda: None):
        pass


@pytest.mark.parametrize("order", ["stop", "fail"])
def test_who_waits_for_the_model_dir_hears_its_orders(
    served: tuple[Coordinator, grpc.Server, str],
    training: run_pb2.WaferOrder,
    told: list[str],
    tmp_path: Path,
    order: str,
) -> None:
    """Told to stop, or that a worker failed, it says its last word and leaves; nothing was programmed."""
    coordinator, _, address = served
    waits = threading.Event()
    fault = InvalidInput("worker w cannot go on")

    def give() -> Iterator[run_pb2.WaferOrder]:
        yield training
        assert waits.wait(20)
        yield run_pb2.WaferOrder(stop=True) if order == "stop" else run_pb2.WaferOrder(fail=problem_of(fault))

    coordinator.orders = give
    with hold(tmp_path, 1, lambda: None):
        life = Life(address)
        until_it_waits(life, told)
        waits.set()
        assert life.ended() == 0
    assert coordinator.kinds() == ["phase", "finished" if order == "stop" else "failed"]
    assert not FakeRun.programming.is_set()


def test_a_process_that_does_not_leave_is_named(
    served: tuple[Coordinator, grpc.Server, str],
    training: run_pb2.WaferOrder,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The wait for the model_dir is bounded; this one ends without a word about the run, so that another is started."""
    monkeypatch.setattr(wafer_process, "HOLD_SECONDS", 0.05)
    monkeypatch.setattr(wafer_process, "ATTEMPT_SECONDS", 0.02)
    served[0].orders = lambda: iter((training,))
    with hold(tmp_path, 1, lambda: None):
        ended = Life(served[2]).ended()
    assert isinstance(ended, StillHeld)
    assert ended.what == "the wafer process before this one did not leave within 0.05 s"
    assert f"process {os.getpid()}" in ended.where
    assert served[0].kinds() == ["phase"]


def test_an_evaluation_waits_for_nobody(served: tuple[Coordinator, grpc.Server, str], tmp_path: Path) -> None:
    """It writes nothing into the model_dir, so it may run beside a training."""
    spec = run_pb2.RunSpec(mode=run_pb2.MODE_EVAL, model_dir=str(tmp_path))
    served[0].orders = lambda: iter((run_pb2.WaferOrder(start=spec), run_pb2.WaferOrder(stop=True)))
    FakeRun.go_on.set()
    with hold(tmp_path, 1, lambda: None):
        assert Life(served[2]).ended() == 0
    assert served[0].kinds()[-1] == "finished"


@pytest.mark.parametrize("waits_for", ["a run", "the model_dir"])
def test_sigterm_ends_a_real_process_with_exit_code_0(
    served: tuple[Coordinator, grpc.Server, str], training: run_pb2.WaferOrder, tmp_path: Path, waits_for: str
) -> None:
    """Within seconds, whatever it waits for."""
    coordinator, _, address = served

    def give() -> Iterator[run_pb2.WaferOrder]:
        if waits_for == "the model_dir":
            yield training
        coordinator.all_said.wait(20)

    coordinator.orders = give
    command = [sys.executable, "-m", "wafer_sim.wafer_process", "--coordinator", address, "--run", "r"]
    command += ["--incarnation", "1", "--executables", str(tmp_path / "none")]
    with hold(tmp_path, 1, lambda: None), subprocess.Popen(command, stdin=subprocess.PIPE) as process:
        assert coordinator.attached.wait(20)
        if waits_for == "the model_dir":
            assert coordinator.heard.wait(20)
        process.send_signal(signal.SIGTERM)
        assert process.wait(9) == 0
    assert coordinator.kinds() == (["phase", "finished"] if waits_for == "the model_dir" else [])


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
