"""The push of one stream: frames out under credits, grants in. The only file of the streamer that sends data."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator

import grpc

from streamer.arena import Arena
from streamer.credits import Credits
from streamer.envelopes import Envelopes
from streamer.pipeline import StreamPipeline
from streamer.resume import Resume
from streamer.stages import Rooms
from streamer.stages.encode import Encoder, Lingering
from wire.channel import MAX_MESSAGE_BYTES
from wire.codec import Frame, Packed, cursor_from
from wire.cursor import Cursor
from wire.errors import Exhausted, Fault, InvalidInput, Stopped, Unreachable
from wire.schema import CodecError
from wire.seam import SeamClosed, SeamReading
from wire.shared_memory import find
from wire.spread import SpreadRecorder
from wire.status import raised
from wire.v1 import ingest_pb2

log = logging.getLogger(__name__)

PATIENCE_SECONDS = 3600.0
"""How long a source may take for one batch. The wafer's own patience (runconfig.input_timeout) is shorter."""

OpenPipeline = Callable[[Cursor, Resume, Rooms], StreamPipeline]


class PushBroken(Unreachable):
    """The call broke off. A new push goes on from the cursor that the ingest then names."""


class _Wire:
    """What sending costs, as the seam that it is. One thread sends; any may read."""

    def __init__(self) -> None:
        self._messages, self._bytes, self._send_seconds, self._credit_seconds = 0, 0, 0.0, 0.0
        self._sends, self._credits = SpreadRecorder(), SpreadRecorder()

    def sent(self, seconds: float, size: int) -> None:
        """A message of `size` bytes was on its way after so long."""
        self._messages += 1
        self._bytes += size
        self._send_seconds += seconds
        self._sends.add(seconds)

    def credited(self, seconds: float) -> None:
        """Something might be sent, after waiting so long for leave."""
        self._credit_seconds += seconds
        self._credits.add(seconds)

    def reading(self) -> SeamReading:
        waits = {"put_waits": self._sends.reading(), "get_waits": self._credits.reading()}
        return SeamReading(
            "wire", self._messages, self._send_seconds, self._credit_seconds, 0.0, 0, 1, **waits, bytes=self._bytes
        )


class Pusher:
    """Pushes one stream to one ingest, from the cursor that the ingest names, until the stream or the run ends.

    Two threads: the one in `run` listens to grants and, at the end, closes the pipeline; gRPC's own opens the
    pipeline and asks for the messages. Whatever the second one raises is raised by `run`.
    """

    def __init__(
        self, channel: grpc.Channel, address: str, hello: ingest_pb2.PushHello, encoder: Encoder, opened: OpenPipeline
    ) -> None:
        self._address = address
        self._hello = hello
        self._encoder = encoder
        self._open = opened
        self._credits = Credits()
        self._lingering = Lingering()
        self._arena: Arena | None = None
        self._envelopes = Envelopes()
        self._started = threading.Event()
        self._start: tuple[Cursor, Resume] | None = None
        self._lock = threading.Lock()
        self._stopped = False
        self._call: grpc.Call | None = None
        self._pipeline: StreamPipeline | None = None
        self._fault: BaseException | None = None
        self._wire = _Wire()
        self._push: grpc.StreamStreamMultiCallable[bytes, ingest_pb2.Grant] = channel.stream_stream(
            "/wire.v1.Ingest/Push", request_serializer=None, response_deserializer=ingest_pb2.Grant.FromString
        )

    def run(self) -> None:
        """Push until the end; the pipeline is then closed.

        Raises what the pipeline raised, PushBroken where a new push may go on, else the Fault behind the call.
        """
        try:
            self._follow(self._begun())
        except grpc.RpcError as error:
            if self._fault is None and not self._stopped:
                self._fault = self._behind(error)
        finally:
            self.stop()
            if self._pipeline is not None:
                self._pipeline.close()
        if self._fault is not None:
            raise self._fault

    def stop(self) -> None:
        """Ask the push to end, from any thread; it waits for nothing. `run` then returns."""
        with self._lock:
            self._stopped = True
            call = self._call
        self._credits.close()
        self._started.set()
        if call is not None:
            call.cancel()

    def resize(self, prefetch: int) -> None:
        """Keep so many batches ready from now on, once there is a pipeline."""
        if self._pipeline is not None:
            self._pipeline.resize(prefetch)

    def readings(self) -> list[SeamReading]:
        """The seams of the pipeline, and "wire": how long sending and waiting for credit took."""
        return [*(self._pipeline.readings() if self._pipeline else ()), self._wire.reading()]

    def _begun(self) -> Iterator[ingest_pb2.Grant]:
        call = self._push(self._requests())
        with self._lock:
            self._call = call
            stopped = self._stopped
        if stopped:
            call.cancel()
        return call

    def _behind(self, error: grpc.RpcError) -> Fault:
        fault = raised(error, self._address)
        if isinstance(fault, Unreachable | Stopped):
            return PushBroken(f"the push to {self._address} broke off: {fault.what}", where=fault.where)
        return fault

    def _follow(self, grants: Iterator[ingest_pb2.Grant]) -> None:
        for grant in grants:
            if grant.stop:
                return
            if grant.HasField("start"):
                self._begin(grant)
            elif self._arena is not None:
                self._arena.landed(grant.landed)
            self._credits.grant(grant.batches, grant.bytes)

    def _begin(self, grant: ingest_pb2.Grant) -> None:
        if grant.HasField("memory") and (memory := find(grant.memory)) is not None:
            self._arena = Arena(memory)
        self._start = cursor_from(grant.start), Resume.of(grant)
        self._started.set()

    def _requests(self) -> Iterator[bytes]:
        yield self._hello.SerializeToString()
        try:
            yield from self._frames()
        except SeamClosed:
            log.debug("stream %d: nothing more to push", self._hello.stream)
        except GeneratorExit:
            raise
        except BaseException as error:  # noqa: BLE001 - a user's code may even exit; `run` raises it again
            self._fault = error
            self.stop()

    def _frames(self) -> Iterator[bytes]:
        self._started.wait()
        if self._start is None:
            return
        pipeline = self._opened(*self._start)
        end = False
        while not end and (allowed := self._awaited_credit()):
            frames = self._encoder.group(pipeline.get_some, self._lingering, PATIENCE_SECONDS, allowed)
            end = frames[-1].end
            messages = self._messages(frames)
            del frames  # nobody writes to what is sent from here on
            for message in messages:
                self._credits.spend(message.batches, message.size)
                begun = time.perf_counter()
                yield message.data
                self._wire.sent(time.perf_counter() - begun, message.size)
                self._envelopes.sent(message.envelope)

    def _opened(self, start: Cursor, resume: Resume) -> StreamPipeline:
        """The pipeline, given to `run` to close; where that has ended meanwhile it is closed here."""
        pipeline = self._open(start, resume, self._arena or self._envelopes)
        with self._lock:
            self._pipeline = pipeline
            stopped = self._stopped
        if stopped:
            pipeline.close()
            raise SeamClosed("the push was stopped while its pipeline was opened")
        return pipeline

    def _awaited_credit(self) -> int:
        begun = time.perf_counter()
        allowed = self._credits.wait()
        self._wire.credited(time.perf_counter() - begun)
        return allowed

    def _messages(self, frames: list[Frame]) -> list[Packed]:
        last = frames[-1]
        try:
            messages = list(self._encoder.messages(frames, self._arena))
        except CodecError as error:
            fix = "give every batch the same fields, dtypes and shapes"
            raise InvalidInput(str(error), where=f"{frames[0].cursor} .. {last.cursor.sequence}", fix=fix) from error
        largest = max(map(len, messages))
        if largest > MAX_MESSAGE_BYTES:
            raise Exhausted(
                f"{last.rows // last.batches} samples in a batch make {largest / 2**20:.0f} MiB on the wire; "
                f"the limit is {MAX_MESSAGE_BYTES / 2**20:.0f} MiB",
                where=str(last.cursor),
                fix="lower the batch size or send a more compact dtype",
            )
        return messages
