"""The push, against a scripted ingest: who ends it, what `run` raises, and that nothing is left behind."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import grpc
import numpy as np
import pytest

from streamer.resume import Resume
from streamer.stages.encode import Encoder
from streamer.transport import PushBroken, Pusher
from wire.channel import Security, connect, serve
from wire.codec import Frame, cursor_message
from wire.cursor import Cursor
from wire.elements import ElementSpec, Field
from wire.errors import InvalidInput, Refused
from wire.seam import SeamClosed
from wire.status import abort
from wire.v1 import ingest_pb2

SPEC = ElementSpec((Field("x", "int32"),))
START = ingest_pb2.Grant(start=cursor_message(Cursor(0, 0, 3)), batches=4, bytes=1 << 20)
Script = Callable[[Iterator[bytes], grpc.ServicerContext], Iterator[ingest_pb2.Grant]]


class Pipeline:
    """Gives one batch and then does what the test says; closing it releases whoever waits."""

    def __init__(self, then: Callable[[], Frame] | None = None, shape: tuple[int, ...] = (2,)) -> None:
        self.closed = threading.Event()
        self.waiting = threading.Event()
        self._then = then or self.block
        self._shape = shape
        self._given = 0

    def get_some(self, most: int, nbytes: int, timeout: float | None = None, linger: float = 0.0) -> list[Frame]:
        self._given += 1
        if self._given > 1:
            return [self._then()]
        cursor = Cursor(0, 0, 3)
        return [Frame(cursor, cursor.following(), {"x": np.zeros(self._shape, np.int32)})]

    def block(self) -> Frame:
        self.waiting.set()
        assert self.closed.wait(20)
        raise SeamClosed("pipeline")

    def close(self) -> None:
        self.closed.set()

    def readings(self) -> list[object]:
        return []


def granting(requests: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[ingest_pb2.Grant]:
    """An ingest that grants four batches and then listens until the call ends."""
    yield START
    ended = threading.Event()
    if context.add_callback(ended.set):
        ended.wait(20)


@pytest.fixture
def pushing() -> Iterator[Callable[..., Pusher]]:
    """Makes a pusher to an ingest that follows a script."""
    servers: list[tuple[grpc.Server, grpc.Channel]] = []

    def make(script: Script, opened: Callable[[Cursor, Resume], object]) -> Pusher:
        server, port = serve("localhost", 0, Security(), threads=4)
        handler = grpc.stream_stream_rpc_method_handler(
            script, request_deserializer=None, response_serializer=ingest_pb2.Grant.SerializeToString
        )
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("wire.v1.Ingest", {"Push": handler}),))
        server.start()
        channel = connect(f"localhost:{port}", Security())
        servers.append((server, channel))
        return Pusher(channel, f"localhost:{port}", ingest_pb2.PushHello(run_id="r"), Encoder(SPEC), opened)

    yield make
    for server, channel in servers:
        channel.close()
        server.stop(None).wait()


def test_a_push_that_was_stopped_before_it_began_does_nothing(pushing: Callable[..., Pusher]) -> None:
    """`run` after `stop` returns; it opens no pipeline."""
    opened: list[object] = []
    pusher = pushing(granting, lambda *what: opened.append(what))
    pusher.stop()
    pusher.run()
    assert opened == []


def test_a_stop_while_the_pipeline_is_opened_closes_it(pushing: Callable[..., Pusher]) -> None:
    """A pipeline that is ready too late is not left running."""
    pipeline = Pipeline()
    cursors: list[Cursor] = []

    def opened(cursor: Cursor, *_: object) -> Pipeline:
        cursors.append(cursor)
        pusher.stop()
        return pipeline

    pusher = pushing(granting, opened)
    pusher.run()
    assert pipeline.closed.wait(20)
    assert cursors == [Cursor(0, 0, 3)]


def test_a_stop_ends_a_push_that_waits_for_its_source(pushing: Callable[..., Pusher]) -> None:
    """`stop` itself waits for nothing; `run` returns with the pipeline closed."""
    pipeline = Pipeline()
    pusher = pushing(granting, lambda *_: pipeline)
    thread = threading.Thread(target=pusher.run, daemon=True)
    thread.start()
    assert pipeline.waiting.wait(20)
    pusher.stop()
    thread.join(20)
    assert not thread.is_alive()
    assert pipeline.closed.is_set()


@pytest.mark.parametrize("error", [ValueError("bad sample 77"), InvalidInput("bad sample 77"), SystemExit(77)])
def test_what_the_source_raises_is_raised_by_run(pushing: Callable[..., Pusher], error: BaseException) -> None:
    """Also an exit inside a user's loader, which would end gRPC's thread and nothing else."""

    def fails() -> Frame:
        raise error

    pipeline = Pipeline(fails)
    with pytest.raises(type(error), match="77"):
        pushing(granting, lambda *_: pipeline).run()
    assert pipeline.closed.is_set()


def test_an_error_while_opening_is_raised_by_run(pushing: Callable[..., Pusher]) -> None:
    """A cursor or file that will not do reaches whoever waits for the push."""

    def opened(*_: object) -> Pipeline:
        raise InvalidInput("no such file")

    with pytest.raises(InvalidInput, match="no such file"):
        pushing(granting, opened).run()


def test_a_batch_that_is_not_of_the_spec_names_its_cursor(pushing: Callable[..., Pusher]) -> None:
    """A shape that changed is told with the place in the stream."""
    with pytest.raises(InvalidInput, match="'x' is int32") as failed:
        pushing(granting, lambda *_: Pipeline(lambda: Frame(Cursor(0), Cursor(0), {}, end=True), (2, 7))).run()
    assert failed.value.where.startswith("stream 0 epoch 0 batch 3")


def test_a_call_that_others_cancel_is_broken_not_over(pushing: Callable[..., Pusher]) -> None:
    """Only the end of the run or our own stop ends a push in silence."""

    def cancels(requests: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[ingest_pb2.Grant]:
        yield START
        context.cancel()

    with pytest.raises(PushBroken):
        pushing(cancels, lambda *_: Pipeline()).run()


def test_what_the_ingest_refuses_is_raised_whole(pushing: Callable[..., Pusher]) -> None:
    """The fault of the other end arrives with its parts."""

    def refuses(requests: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[ingest_pb2.Grant]:
        yield START
        abort(context, Refused("not these elements", where="stream 0", fix="others"))

    pipeline = Pipeline()
    with pytest.raises(Refused) as failed:
        pushing(refuses, lambda *_: pipeline).run()
    assert (failed.value.what, failed.value.where, failed.value.fix) == ("not these elements", "stream 0", "others")


def test_the_word_stop_ends_the_push(pushing: Callable[..., Pusher]) -> None:
    """The run is over: `run` returns, the pipeline is closed, and what was sent is on the reading of the wire."""
    pipeline = Pipeline()

    def stops(requests: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[ingest_pb2.Grant]:
        assert next(requests)
        yield START
        assert next(requests)
        pipeline.waiting.wait(20)
        yield ingest_pb2.Grant(stop=True)

    pusher = pushing(stops, lambda *_: pipeline)
    pusher.run()
    assert pipeline.closed.is_set()
    (wire,) = pusher.readings()
    assert (wire.name, wire.items) == ("wire", 1)


def test_the_pipeline_is_opened_with_what_the_first_grant_says(pushing: Callable[..., Pusher]) -> None:
    """Cursor, history and the loader's state reach it together."""
    at = Cursor(0, 0, 2)
    grant = ingest_pb2.Grant(start=START.start, history=b"h" * 16)
    grant.loader_state.CopyFrom(ingest_pb2.LoaderState(at=cursor_message(at), state=b"s"))
    opened: list[tuple[object, ...]] = []
    ready = threading.Event()

    def begins(requests: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[ingest_pb2.Grant]:
        yield grant
        assert ready.wait(20)
        yield ingest_pb2.Grant(stop=True)

    def noted(*what: object) -> Pipeline:
        opened.append(what)
        ready.set()
        return Pipeline()

    pushing(begins, noted).run()
    (told,) = opened
    assert told[:2] == (Cursor(0, 0, 3), Resume(b"h" * 16, (at, b"s")))
