"""The ingest service: raw messages in, grants out. One reader thread per push lands what arrives."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Mapping

import grpc
from google.protobuf.message import DecodeError

from wafer_sim.ingest.port import WINDOW_BYTES, Push, StreamPort
from wire.admission import Handler
from wire.codec import unpack
from wire.errors import Fault, InvalidInput, NotFound, Refused, Unreachable
from wire.schema import CodecError, spec_from_bytes
from wire.seam import SeamClosed
from wire.shared_memory import machine, share
from wire.status import abort
from wire.v1 import ingest_pb2

log = logging.getLogger(__name__)

HELLO_SECONDS = 10.0
SHARED_BYTES = 2 * WINDOW_BYTES
"""Of memory for each push. A page of it is there once it was written to, and what has landed is written to again."""


class IngestServicer:
    """Serves Push for the streams of one run. sharing: memory with pushers of this machine, where payloads may lie."""

    def __init__(self, run_id: str, ports: Mapping[int, StreamPort], *, sharing: bool = True) -> None:
        self._run_id = run_id
        self._ports = ports
        self._machine = machine() if sharing else ""

    def handler(self) -> grpc.GenericRpcHandler:
        """The service without a request serializer: bytes pass untouched."""
        push: Handler = grpc.stream_stream_rpc_method_handler(
            self.push, request_deserializer=None, response_serializer=ingest_pb2.Grant.SerializeToString
        )
        return grpc.method_handlers_generic_handler("wire.v1.Ingest", {"Push": push})

    def push(self, requests: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[ingest_pb2.Grant]:
        try:
            push = self._enter(_first(requests, context))
        except Fault as fault:
            abort(context, fault)
        log.info("stream %d: worker %s pushes with lease %d", push.port.stream, push.worker, push.lease)
        reader = _Reader(push, requests)
        context.add_callback(lambda: push.port.leave(push))
        reader.start()
        yield from _until_closed(push)
        push.close()  # before its end is told: whoever heard of that finds no memory any more
        if reader.fault is not None:
            abort(context, reader.fault)
        yield ingest_pb2.Grant(stop=True)

    def _enter(self, first: bytes) -> Push:
        try:
            hello = ingest_pb2.PushHello.FromString(first)
            spec = spec_from_bytes(hello.element_spec)
        except (DecodeError, CodecError) as error:
            raise InvalidInput(f"a push does not begin with a hello: {error}") from error
        if hello.run_id != self._run_id or hello.stream not in self._ports:
            raise NotFound(
                f"stream {hello.stream} of run {hello.run_id!r} is not fed here",
                fix=f"this wafer runs {self._run_id!r} with streams 0..{len(self._ports) - 1}",
            )
        port = self._ports[hello.stream]
        if spec != port.spec:
            raise Refused(
                f"worker {hello.worker_id} has elements ({spec}), the job takes ({port.spec})",
                where=f"stream {hello.stream}",
                fix="start the worker with the loader and params of the job",
            )
        near = bool(self._machine) and hello.machine == self._machine
        return port.enter(hello.lease, hello.worker_id, share(SHARED_BYTES) if near else None)


class _Reader(threading.Thread):
    """Reads and lands the messages of one push until it ends or goes wrong."""

    def __init__(self, push: Push, requests: Iterator[bytes]) -> None:
        super().__init__(name=f"ingest-{push.port.stream}", daemon=True)
        self._push = push
        self._requests = requests
        self.fault: Fault | None = None

    def run(self) -> None:
        try:
            for data in self._requests:
                message = unpack(data, self._push.port.spec, self._push.memory)
                self._push.arrive(message.frames, message.size)
            if not self._push.port.ended:
                self._push.port.leave(self._push)
        except Fault as fault:
            self._end(fault)
        except CodecError as error:
            self._end(InvalidInput(str(error), where=f"stream {self._push.port.stream} from {self._push.worker}"))
        except SeamClosed:
            log.debug("stream %d: the run is over", self._push.port.stream)
        except grpc.RpcError:
            log.info("stream %d: the push of %s broke off", self._push.port.stream, self._push.worker)
            self._push.port.leave(self._push)
        except Exception as error:
            log.exception("stream %d: a batch could not be taken", self._push.port.stream)
            what = f"the wafer could not take a batch: {type(error).__name__}: {error}"
            self._end(Refused(what, where=f"stream {self._push.port.stream} from {self._push.worker}"))

    def _end(self, fault: Fault) -> None:
        self.fault = fault
        self._push.grants.close()


def _first(requests: Iterator[bytes], context: grpc.ServicerContext) -> bytes:
    """The first message; whoever sends none in time is let go."""
    silent = threading.Timer(HELLO_SECONDS, context.cancel)
    silent.daemon = True
    silent.start()
    try:
        return next(requests, b"")
    except grpc.RpcError as error:
        raise Unreachable(f"a push was given up that said no hello within {HELLO_SECONDS:g} s") from error
    finally:
        silent.cancel()


def _until_closed(push: Push) -> Iterator[ingest_pb2.Grant]:
    while True:
        try:
            yield push.grants.get()
        except SeamClosed:
            return
