"""A session with a coordinator: compile, submit, follow, cancel. The one gRPC client of the clients."""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import TypeVar

import grpc

from clients.roles import TASK
from wire.channel import Security, address_of, connect
from wire.errors import Fault, NotFound, Refused, Stopped, Unreachable
from wire.status import raised
from wire.v1 import coordinator_pb2, coordinator_pb2_grpc, run_pb2, run_pb2_grpc

log = logging.getLogger("clients")

CONNECT_SECONDS = 5.0
CALL_SECONDS = 60.0
CHUNK_BYTES = 2**20
CANCEL_SECONDS = 2.0
BACK_SECONDS = 60.0
"""How long a coordinator that is gone in the middle of a run is waited for."""
PAUSE_SECONDS = 0.2
STANDBY_SECONDS = 1.0
"""How often a task that is not the chief offers to take its place."""
CHIEF_BEAT_SECONDS = 2.0
"""How often a chief says that it lives; the coordinator replaces one that was silent for some of these."""
CHIEF_PATIENCE_SECONDS = 8.0
"""How long another chief is waited for that may have been killed: one that lives is heard of by then."""

Reply = TypeVar("Reply")


def has_ended(run: coordinator_pb2.RunStatus) -> bool:
    """Whether nothing more comes of a run."""
    return run.state in ("finished", "failed")


class Session:
    """Talks to one coordinator. Every method raises the Fault that the other end raised.

    id: of the session, which its workers name too; `name` where the tasks of a job have one in common.
    candidate: names this process in elections; the id where the session has one process.
    """

    def __init__(self, address: str, security: Security | None = None, name: str = "", candidate: str = "") -> None:
        self.id = name or uuid.uuid4().hex
        self.candidate = candidate or self.id
        self.address = address_of(address)
        self._channel = connect(self.address, security or Security.from_environment())
        self._runs = run_pb2_grpc.RunsStub(self._channel)
        self._coordinator = coordinator_pb2_grpc.CoordinatorStub(self._channel)
        self._jobs: list[str] = []
        self._over = threading.Event()
        self._staying = threading.Thread(target=self._stay_chief, name="chief", daemon=True)

    def __enter__(self) -> Session:
        try:
            grpc.channel_ready_future(self._channel).result(timeout=CONNECT_SECONDS)
        except grpc.FutureTimeoutError as error:
            self._channel.close()
            raise Unreachable(
                f"no coordinator answered at {self.address} within {CONNECT_SECONDS:g} s",
                fix="start one with `wafer_sim serve`, or give --cs_ip HOST:PORT",
            ) from error
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Be chief of nothing any more."""
        self._over.set()
        if self._staying.is_alive():
            self._staying.join(CHIEF_BEAT_SECONDS)  # what it asks now must not come after the resignation
        for job in self._jobs:
            self._resign(job)
        self._channel.close()

    def elect(self, job: str) -> None:
        """Become chief of a job (its model_dir), and stay it. Raises Refused where another process is and lives."""
        deadline = time.monotonic() + CHIEF_PATIENCE_SECONDS
        said = False
        while True:
            try:
                self._ask(lambda: self._elect(job, CALL_SECONDS))
                break
            except Refused:
                if time.monotonic() >= deadline:
                    raise
            if not said:
                said = True
                log.info("Another run.py is chief of %s; waiting to see whether it lives", job)
            self._over.wait(PAUSE_SECONDS)
        self._jobs.append(job)
        if len(self._jobs) == 1:
            self._staying.start()

    def arrive(self, request: coordinator_pb2.MeetRequest) -> coordinator_pb2.MeetReply:
        """Say that a task has come to where all tasks of this session meet; who is missing is in the reply."""
        request.session = self.id
        reply: coordinator_pb2.MeetReply = self._insist(lambda: self._coordinator.Meet(request, timeout=CALL_SECONDS))
        return reply

    def report_end(self, name: str, lines: Sequence[str]) -> None:
        """Let the chief of this session know that the task of this name ends with an error, and its last lines."""
        request = coordinator_pb2.ReportEndRequest(name=name, session=self.id, lines=lines)
        self._ask(lambda: self._coordinator.ReportEnd(request, timeout=CANCEL_SECONDS))

    def is_led_by_colleague(self, job: str) -> bool:
        """Whether another task of this session is chief of the job; where nobody is, this process is it from now on."""
        request = coordinator_pb2.ElectRequest(job=job, candidate=self.candidate)
        chief: str = self._insist(lambda: self._coordinator.Elect(request, timeout=CALL_SECONDS)).chief
        return chief != self.candidate and self._is_task(chief)

    def stand_by(self, job: str, over: threading.Event) -> bool:
        """Wait until the chief of a job is gone and this process is chief in its place; False once it is over."""
        while not over.wait(STANDBY_SECONDS):
            with suppress(grpc.RpcError):  # a coordinator that is gone is waited for by the worker
                if self._offer(job) == self.candidate:
                    return True
        return False

    def outlast(self, job: str) -> bool:
        """As `stand_by`, for a job whose run has ended: False once no colleague is its chief, or nobody answers."""
        silent_since = time.monotonic()
        while time.monotonic() - silent_since < CHIEF_PATIENCE_SECONDS:
            with suppress(grpc.RpcError):  # it may be gone for good, now that nothing is left to do
                chief = self._offer(job)
                if chief == self.candidate or not self._is_task(chief):
                    return chief == self.candidate
                silent_since = time.monotonic()
            self._over.wait(STANDBY_SECONDS)
        return False

    def _is_task(self, candidate: str) -> bool:
        return candidate.startswith(f"{self.id}{TASK}")

    def _offer(self, job: str) -> str:
        request = coordinator_pb2.ElectRequest(job=job, candidate=self.candidate, successor=True)
        chief: str = self._coordinator.Elect(request, timeout=CHIEF_BEAT_SECONDS).chief
        return chief

    def compile(self, program: str) -> run_pb2.CompileReply:
        """Send a program's JSON; the service checks it again and keeps it."""
        data = program.encode()
        chunks = [run_pb2.CompileRequest(program=data[i : i + CHUNK_BYTES]) for i in range(0, len(data), CHUNK_BYTES)]
        reply: run_pb2.CompileReply = self._insist(lambda: self._runs.Compile(iter(chunks), timeout=CALL_SECONDS))
        return reply

    def submit(self, spec: run_pb2.RunSpec) -> run_pb2.SubmitReply:
        """Put a run in the queue, or take over the one of this model_dir that has lost its chief."""
        request = run_pb2.SubmitRequest(spec=spec)
        reply: run_pb2.SubmitReply = self._insist(lambda: self._runs.Submit(request, timeout=CALL_SECONDS))
        return reply

    def live_run(self, job: str) -> coordinator_pb2.RunStatus | None:
        """The run of a job (its model_dir) that has not ended, if there is one."""
        live = (run for run in self.runs() if run.spec.model_dir == job and not has_ended(run))
        return next(live, None)

    def runs(self) -> Sequence[coordinator_pb2.RunStatus]:
        """All runs that the coordinator knows, in the order in which they came."""
        request = coordinator_pb2.StatusRequest()
        reply = self._insist(lambda: self._coordinator.Status(request, timeout=CALL_SECONDS))
        runs: Sequence[coordinator_pb2.RunStatus] = reply.runs
        return runs

    def left_behind(self, job: str, mode: run_pb2.Mode) -> coordinator_pb2.RunStatus | None:
        """The newest run of a job, where it is one of this mode and session that another task was chief of."""
        newest = next((run for run in reversed(self.runs()) if run.spec.model_dir == job), None)
        if newest is None or newest.spec.mode != mode:
            return None
        return newest if self.is_colleagues(newest) else None

    def is_colleagues(self, run: coordinator_pb2.RunStatus) -> bool:
        """Whether another task of this session is, or was, chief of a run."""
        return run.spec.session == self.id and run.spec.chief != self.candidate

    def follow(self, run_id: str) -> Iterator[run_pb2.RunEvent]:
        """Every event of a run, each once, until it has ended.

        A coordinator that is gone meanwhile is waited for, and its successor asked for what came after the last
        event; that it is gone, and back, are phases without a number. Raises Unreachable where it stays away,
        NotFound where the one that came does not know the run, Refused where it has another chief now.
        """
        request = run_pb2.FollowRequest(run_id=run_id, candidate=self.candidate)
        returned = False
        while True:
            try:
                for event in self._runs.Follow(request):
                    request.after = max(request.after, event.number)
                    yield event
                return
            except grpc.RpcError as error:
                fault = raised(error, self.address)
                if self._over.is_set() or not self._is_gone(fault):
                    raise self._forgotten(fault) if returned and isinstance(fault, NotFound) else fault from error
            yield run_pb2.RunEvent(phase=self._gone_phase())
            self._wait_until_back()
            returned = True
            yield run_pb2.RunEvent(phase=f"the coordinator at {self.address} is back")

    def cancel(self, run_id: str) -> None:
        """Ask a run to stop after the step in hand, with a checkpoint."""
        request = run_pb2.CancelRequest(run_id=run_id)
        self._ask(lambda: self._runs.Cancel(request, timeout=CANCEL_SECONDS))

    def _stay_chief(self) -> None:
        while not self._over.wait(CHIEF_BEAT_SECONDS):
            # A coordinator that is gone, or has another chief, is told to whoever follows the run or submits one.
            with suppress(grpc.RpcError, Refused):
                for job in self._jobs:
                    self._elect(job, CHIEF_BEAT_SECONDS)

    def _elect(self, job: str, seconds: float, wait_for_ready: bool = False) -> None:
        request = coordinator_pb2.ElectRequest(job=job, candidate=self.candidate)
        reply = self._coordinator.Elect(request, timeout=seconds, wait_for_ready=wait_for_ready)
        if reply.chief != self.candidate:
            raise Refused(
                "another run.py is chief of this model_dir",
                where=job,
                fix="wait until it has ended (`wafer_sim status`), or give another --model_dir",
            )

    def _is_gone(self, fault: Fault) -> bool:
        """Whether nobody is there, rather than somebody who says why not."""
        return isinstance(fault, Unreachable) or (isinstance(fault, Stopped) and fault.where == self.address)

    def _wait_until_back(self) -> None:
        """Until a coordinator answers and holds this session for the chief that it is. Raises Unreachable, Refused."""
        deadline = time.monotonic() + BACK_SECONDS
        while not self._over.wait(PAUSE_SECONDS):
            left = max(PAUSE_SECONDS, deadline - time.monotonic())
            try:
                for job in self._jobs:
                    self._elect(job, left, wait_for_ready=True)
                if not self._jobs:
                    self._coordinator.Status(coordinator_pb2.StatusRequest(), timeout=left, wait_for_ready=True)
                return
            except grpc.RpcError as error:
                fault = raised(error, self.address)
                if self._over.is_set() or not self._is_gone(fault):
                    raise fault from error
                if time.monotonic() >= deadline:
                    raise self._stayed_away() from error
        raise Stopped("the session is over", where=self.address)

    def _gone_phase(self) -> str:
        return (
            f"the coordinator at {self.address} is gone; waiting for it "
            "(the run goes on from its last checkpoint once `wafer_sim serve` is started again)"
        )

    def _stayed_away(self) -> Unreachable:
        return Unreachable(
            f"the coordinator at {self.address} is gone, and did not come back within {BACK_SECONDS:g} s",
            fix="start `wafer_sim serve` again with the same --state-dir; the same command then follows the run",
        )

    def _forgotten(self, fault: Fault) -> NotFound:
        return NotFound(
            f"the coordinator that is at {self.address} now does not know this run: {fault.what}",
            fix="was it started with another --state-dir? The same command goes on from the last checkpoint",
        )

    def _resign(self, job: str) -> None:
        request = coordinator_pb2.ResignRequest(job=job, candidate=self.candidate)
        try:
            self._coordinator.Resign(request, timeout=1.0)
        except grpc.RpcError:
            return  # a coordinator that is gone has no chief to release

    def _ask(self, call: Callable[[], Reply]) -> Reply:
        try:
            return call()
        except grpc.RpcError as error:
            raise raised(error, self.address) from error

    def _insist(self, call: Callable[[], Reply]) -> Reply:
        """As `_ask`, for a call that may be made twice: a coordinator that is gone is waited for."""
        try:
            return call()
        except grpc.RpcError as error:
            fault = raised(error, self.address)
            if not self._is_gone(fault):
                raise fault from error
        log.warning("The coordinator at %s is gone; waiting for it", self.address)
        self._wait_until_back()
        return self._ask(call)
