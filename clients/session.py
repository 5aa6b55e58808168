"""A session with a coordinator: compile, submit, follow, cancel. The one gRPC client of the clients."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from typing import TypeVar

import grpc

from wire.channel import Security, address_of, connect
from wire.errors import Refused, Unreachable
from wire.status import raised
from wire.v1 import coordinator_pb2, coordinator_pb2_grpc, run_pb2, run_pb2_grpc

CONNECT_SECONDS = 5.0
CALL_SECONDS = 60.0
CHUNK_BYTES = 2**20

Reply = TypeVar("Reply")


class Session:
    """Talks to one coordinator. Every method raises the Fault that the other end raised.

    id: names this process to the coordinator, and to the workers that it spawned.
    """

    def __init__(self, address: str, security: Security | None = None) -> None:
        self.id = uuid.uuid4().hex
        self.address = address_of(address)
        self._channel = connect(self.address, security or Security.from_environment())
        self._runs = run_pb2_grpc.RunsStub(self._channel)
        self._coordinator = coordinator_pb2_grpc.CoordinatorStub(self._channel)
        self._jobs: list[str] = []

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
        for job in self._jobs:
            self._resign(job)
        self._channel.close()

    def elect(self, job: str) -> None:
        """Become chief of a job (its model_dir). Raises Refused where another process is."""
        request = coordinator_pb2.ElectRequest(job=job, candidate=self.id)
        reply = self._ask(lambda: self._coordinator.Elect(request, timeout=CALL_SECONDS))
        if reply.chief != self.id:
            raise Refused(
                "another run.py is chief of this model_dir",
                where=job,
                fix="wait until it has ended (`wafer_sim status`), or give another --model_dir",
            )
        self._jobs.append(job)

    def compile(self, program: str) -> run_pb2.CompileReply:
        """Send a program's JSON; the service checks it again and keeps it."""
        data = program.encode()
        chunks = (run_pb2.CompileRequest(program=data[i : i + CHUNK_BYTES]) for i in range(0, len(data), CHUNK_BYTES))
        reply: run_pb2.CompileReply = self._ask(lambda: self._runs.Compile(chunks, timeout=CALL_SECONDS))
        return reply

    def submit(self, spec: run_pb2.RunSpec) -> str:
        """Put a run in the queue: its id."""
        request = run_pb2.SubmitRequest(spec=spec)
        reply: run_pb2.SubmitReply = self._ask(lambda: self._runs.Submit(request, timeout=CALL_SECONDS))
        return reply.run_id

    def follow(self, run_id: str) -> Iterator[run_pb2.RunEvent]:
        """Every event of a run until it has ended."""
        try:
            yield from self._runs.Follow(run_pb2.FollowRequest(run_id=run_id))
        except grpc.RpcError as error:
            raise raised(error, self.address) from error

    def cancel(self, run_id: str) -> None:
        """Ask a run to stop after the step in hand, with a checkpoint."""
        request = run_pb2.CancelRequest(run_id=run_id)
        self._ask(lambda: self._runs.Cancel(request, timeout=CONNECT_SECONDS))

    def _resign(self, job: str) -> None:
        request = coordinator_pb2.ResignRequest(job=job, candidate=self.id)
        try:
            self._coordinator.Resign(request, timeout=1.0)
        except grpc.RpcError:
            return  # a coordinator that is gone has no chief to release

    def _ask(self, call: Callable[[], Reply]) -> Reply:
        try:
            return call()
        except grpc.RpcError as error:
            raise raised(error, self.address) from error
