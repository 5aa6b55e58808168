"""wire.v1.Runs over the hub and the directory of executables."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from pathlib import Path

import grpc

from wafer_sim.compiler.program import ProgramError
from wafer_sim.compiler.reading import AnyProgram, read_program
from wafer_sim.coordinator.admission import require_admissible
from wafer_sim.executables import keep
from wafer_sim.service.calls import answering
from wafer_sim.service.hub import Hub
from wire.errors import Exhausted, InvalidInput, NotFound
from wire.v1 import run_pb2 as pb
from wire.v1 import run_pb2_grpc

MAX_PROGRAM_BYTES = 256 * 2**20


class RunsServicer(run_pb2_grpc.RunsServicer):
    """What a client of the wafer calls. executables: the store of executables."""

    def __init__(self, hub: Hub, executables: Path) -> None:
        self._hub = hub
        self._executables = executables
        self._writing = threading.Lock()

    def Compile(  # noqa: N802 - gRPC's name
        self, request_iterator: Iterator[pb.CompileRequest], context: grpc.ServicerContext
    ) -> pb.CompileReply:
        """Checked against the kernel library, then kept. Raises Refused for an operation without a kernel."""
        with answering(context):
            program = _program(_joined(request.program for request in request_iterator))
            with self._writing:
                identity, cached = keep(self._executables, program)
        return pb.CompileReply(executable=identity, cached=cached)

    def Submit(self, request: pb.SubmitRequest, context: grpc.ServicerContext) -> pb.SubmitReply:  # noqa: N802 - gRPC's name
        with answering(context):
            require_admissible(request.spec)
            self._require_executable(request.spec.executable)
            submitted = self._hub.submit(request.spec)
            return pb.SubmitReply(run_id=submitted.run_id, attached=submitted.attached)

    def Follow(self, request: pb.FollowRequest, context: grpc.ServicerContext) -> Iterator[pb.RunEvent]:  # noqa: N802 - gRPC's name
        with answering(context):
            box = self._hub.follow(request.run_id, request.after, request.candidate)

            def gone() -> None:
                self._hub.unfollow(request.run_id, box, request.candidate)

            if not context.add_callback(gone):
                gone()
            yield from box

    def Cancel(self, request: pb.CancelRequest, context: grpc.ServicerContext) -> pb.CancelReply:  # noqa: N802 - gRPC's name
        with answering(context):
            self._hub.cancel(request.run_id)
        return pb.CancelReply()

    def _require_executable(self, identity: str) -> None:
        """The identity is 64 hex digits by now, so it is no path to elsewhere."""
        if not (self._executables / identity).is_dir():
            raise NotFound(f"this service holds no executable {identity[:12]}...", fix="compile the program first")


def _joined(chunks: Iterable[bytes]) -> bytes:
    parts, size = [], 0
    for chunk in chunks:
        size += len(chunk)
        if size > MAX_PROGRAM_BYTES:
            raise Exhausted(f"a program has at most {MAX_PROGRAM_BYTES // 2**20} MiB")
        parts.append(chunk)
    return b"".join(parts)


def _program(text: bytes) -> AnyProgram:
    try:
        return read_program(text)
    except ProgramError as error:
        raise InvalidInput(str(error), where="the program") from error
