"""The push of one stream: frames out under credits, grants in. The only file of the streamer that sends data."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator

import grpc

from streamer.credits import Credits
from streamer.pipeline import StreamPipeline
from streamer.stages.encode import Encoder
from wire.channel import MAX_MESSAGE_BYTES
from wire.codec import Frame, cursor_from
from wire.cursor import Cursor
from wire.errors import Exhausted
from wire.seam import SeamClosed, SeamReading
from wire.status import raised
from wire.v1 import ingest_pb2

log = logging.getLogger(__name__)

PATIENCE_SECONDS = 3600.0

OpenPipeline = Callable[[Cursor], StreamPipeline]


class Pusher:
    """Pushes one stream to one ingest, from the cursor that the ingest names, until the stream or the run ends."""

    def __init__(
        self, channel: grpc.Channel, address: str, hello: ingest_pb2.PushHello, encoder: Encoder, opened: OpenPipeline
    ) -> None:
        self._address = address
        self._hello = hello
        self._encoder = encoder
        self._open = opened
        self._credits = Credits()
        self._started = threading.Event()
        self._start: Cursor | None = None
        self._pipeline: StreamPipeline | None = None
        self._fault: BaseException | None = None
        self._messages, self._send_seconds, self._credit_seconds = 0, 0.0, 0.0
        self._push: grpc.StreamStreamMultiCallable[bytes, ingest_pb2.Grant] = channel.stream_stream(
            "/wire.v1.Ingest/Push", request_serializer=None, response_deserializer=ingest_pb2.Grant.FromString
        )
        self._call: grpc.Call | None = None

    def run(self) -> None:
        """Push until the end. Raises the pipeline's error, or the Fault behind a call that broke."""
        call = self._push(self._requests())
        self._call = call
        try:
            self._follow(call)
        except grpc.RpcError as error:
            if self._fault is None and not _cancelled(error):
                self._fault = raised(error, self._address)
        finally:
            self.stop()
        if self._fault is not None:
            raise self._fault

    def stop(self) -> None:
        """End the push from any thread; returns when the pipeline is closed."""
        self._credits.close()
        self._started.set()
        if self._call is not None:
            self._call.cancel()
        if self._pipeline is not None:
            self._pipeline.close()

    def readings(self) -> list[SeamReading]:
        """The seams of the pipeline, and "wire": how long sending and waiting for credit took."""
        wire = SeamReading("wire", self._messages, self._send_seconds, self._credit_seconds, 0.0, 0, 1)
        return [*(self._pipeline.readings() if self._pipeline else ()), wire]

    def _follow(self, grants: Iterator[ingest_pb2.Grant]) -> None:
        for grant in grants:
            if grant.stop:
                return
            if grant.HasField("start"):
                self._start = cursor_from(grant.start)
                self._started.set()
            self._credits.grant(grant.batches, grant.bytes)

    def _requests(self) -> Iterator[bytes]:
        yield self._hello.SerializeToString()
        try:
            yield from self._frames()
        except SeamClosed:
            log.debug("stream %d: nothing more to push", self._hello.stream)
        except Exception as error:  # noqa: BLE001 - it is raised again by run(), in the thread that waits for it
            self._fault = error
            if self._call is not None:
                self._call.cancel()

    def _frames(self) -> Iterator[bytes]:
        self._started.wait()
        if self._start is None:
            return
        self._pipeline = self._open(self._start)
        end = False
        while not end and (allowed := self._awaited_credit()):
            frames = self._encoder.group(self._pipeline.get, PATIENCE_SECONDS, allowed)
            end = frames[-1].end
            message = self._message(frames)
            self._credits.spend(len(frames), len(message))
            begun = time.perf_counter()
            yield message
            self._send_seconds += time.perf_counter() - begun
            self._messages += 1

    def _awaited_credit(self) -> int:
        begun = time.perf_counter()
        allowed = self._credits.wait()
        self._credit_seconds += time.perf_counter() - begun
        return allowed

    def _message(self, frames: list[Frame]) -> bytes:
        message = self._encoder.message(frames)
        if len(message) > MAX_MESSAGE_BYTES:
            raise Exhausted(
                f"a batch of {frames[0].rows} samples takes {len(message) / 2**20:.0f} MiB on the wire; "
                f"the limit is {MAX_MESSAGE_BYTES / 2**20:.0f} MiB",
                where=str(frames[0].cursor),
                fix="lower the batch size or send a more compact dtype",
            )
        return message


def _cancelled(error: grpc.RpcError) -> bool:
    return isinstance(error, grpc.Call) and error.code() is grpc.StatusCode.CANCELLED
