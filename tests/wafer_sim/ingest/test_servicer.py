"""The ingest over a real gRPC server, fed by real pushers."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import grpc
import numpy as np
import pytest

from streamer import transport
from streamer.envelopes import SMALLEST_BYTES
from streamer.resume import Resume
from streamer.stages import Rooms
from streamer.stages.encode import Encoder
from streamer.transport import PushBroken, Pusher
from wafer_sim.ingest import servicer
from wafer_sim.ingest.port import WINDOW_BATCHES, StreamPort
from wafer_sim.ingest.servicer import IngestServicer
from wafer_sim.ledger import StreamPosition
from wire.channel import Security, connect, serve
from wire.codec import Frame, Packed
from wire.cursor import Cursor
from wire.elements import ElementSpec, Field
from wire.errors import Exhausted, InvalidInput, NotFound, Refused, StaleLease
from wire.history import BEGINNING, history_after
from wire.payload import layout_of
from wire.schema import spec_to_bytes
from wire.seam import SeamClosed
from wire.shared_memory import find, machine
from wire.status import raised
from wire.v1 import ingest_pb2

SPEC = ElementSpec((Field("x", "int32", (2,)),))
OTHER = ElementSpec((Field("x", "int64", (2,)),))
ROWS_WITH_ROOM = SMALLEST_BYTES // 8
"""Of a batch that is made in a message of its own."""


class Batches:
    """A pipeline: `count` batches of one row, each holding its number; then the end."""

    def __init__(self, cursor: Cursor, count: int, rooms: Rooms | None = None) -> None:
        self.cursor = self.started = cursor
        self.rooms = rooms
        self.count = count
        self.given = 0
        self.closed = threading.Event()

    def get_some(self, most: int, nbytes: int, timeout: float | None = None, linger: float = 0.0) -> list[Frame]:
        cursor = self.cursor
        if self.closed.is_set() or cursor.sequence > self.count:
            raise SeamClosed("batches")
        self.cursor = cursor.following()
        self.given += 1
        if cursor.sequence == self.count:
            return [Frame(cursor, cursor, {}, end=True)]
        return [self._frame(cursor, ROWS_WITH_ROOM if self.rooms else 1)]

    def _frame(self, cursor: Cursor, rows: int) -> Frame:
        layout = layout_of(SPEC, rows)
        assert layout is not None
        room = self.rooms.room(layout, 1) if self.rooms else None
        x = room.columns["x"] if room else np.empty((rows, 2), np.int32)
        x[:] = cursor.sequence
        return Frame(cursor, self.cursor, {"x": x}, room=room)

    def close(self) -> None:
        self.closed.set()

    def readings(self) -> list[object]:
        return []


class Running(threading.Thread):
    """A push in a thread of its own; `ended` gives what it raised."""

    def __init__(self, pusher: Pusher) -> None:
        super().__init__(daemon=True)
        self.pusher = pusher
        self.error: BaseException | None = None
        self.start()

    def run(self) -> None:
        try:
            self.pusher.run()
        except BaseException as error:  # noqa: BLE001 - the test looks at it
            self.error = error

    def ended(self) -> BaseException | None:
        self.join(20)
        assert not self.is_alive()
        return self.error


@dataclass
class Ingest:
    """An ingest of one stream behind a real server. machine: where its pushers say that they are."""

    port: StreamPort
    server: grpc.Server
    channel: grpc.Channel
    machine: str
    opened: list[Batches] = field(default_factory=list)
    resumed: list[Resume] = field(default_factory=list)

    def pusher(
        self,
        count: int = 100,
        *,
        lease: int = 1,
        run: str = "run-1",
        spec: ElementSpec = SPEC,
        encoder: Encoder | None = None,
        in_rooms: bool = False,
    ) -> Pusher:
        hello = ingest_pb2.PushHello(
            run_id=run,
            stream=0,
            lease=lease,
            worker_id=f"w{lease}",
            element_spec=spec_to_bytes(spec),
            machine=self.machine,
        )

        def opened(cursor: Cursor, resume: Resume, rooms: Rooms) -> Batches:
            self.resumed.append(resume)
            self.opened.append(Batches(cursor, count, rooms if in_rooms else None))
            return self.opened[-1]

        return Pusher(self.channel, "the ingest", hello, encoder or Encoder(SPEC), opened)

    def raw(self, *messages: bytes) -> Iterator[ingest_pb2.Grant]:
        call = self.channel.stream_stream(
            "/wire.v1.Ingest/Push", request_serializer=None, response_deserializer=ingest_pb2.Grant.FromString
        )
        return call(iter(messages))

    def hello(self) -> bytes:
        hello = ingest_pb2.PushHello(
            run_id="run-1", lease=1, worker_id="raw", element_spec=spec_to_bytes(SPEC), machine=self.machine
        )
        return hello.SerializeToString()


@pytest.fixture(params=["", machine()], ids=["messages", "shared-memory"])
def ingest(request: pytest.FixtureRequest) -> Iterator[Ingest]:
    port = StreamPort(StreamPosition(Cursor(0)), SPEC, ("float32",))
    server, number = serve("localhost", 0, Security(), threads=8)
    server.add_generic_rpc_handlers((IngestServicer("run-1", {0: port}).handler(),))
    server.start()
    channel = connect(f"localhost:{number}", Security())
    yield Ingest(port, server, channel, request.param)
    port.close()
    channel.close()
    server.stop(None).wait()


def taken(port: StreamPort, count: int) -> list[int]:
    """The numbers inside the next batches."""
    return [int(port.land(port.take(20))[0][0, 0]) for _ in range(count)]


def test_batches_arrive_in_order_under_credits(ingest: Ingest) -> None:
    """Every batch comes once and in order, the end too, and no more is ahead than the window allows."""
    running = Running(ingest.pusher(200))
    for number in range(200):
        assert taken(ingest.port, 1) == [number]
        assert ingest.opened[0].given <= number + 1 + WINDOW_BATCHES
    assert ingest.port.take(20).end
    ingest.port.close()
    assert running.ended() is None
    assert ingest.opened[0].closed.is_set()


def test_batches_that_were_made_where_they_are_sent_from_arrive(ingest: Ingest) -> None:
    """Their memory is written to again and again, and never before it was read: each value is that of its batch."""
    running = Running(ingest.pusher(400, in_rooms=True))
    for number in range(400):
        landed = ingest.port.land(ingest.port.take(20))[0]
        assert landed.shape == (ROWS_WITH_ROOM, 2)
        assert (landed == number).all()
    assert ingest.port.take(20).end
    ingest.port.close()
    assert running.ended() is None


def test_memory_is_shared_with_who_is_near(ingest: Ingest) -> None:
    """The first grant offers memory to a pusher of the same machine, and to no other one; it is gone with the push."""
    grants = ingest.raw(ingest.hello())
    offer = next(grants)
    assert offer.HasField("memory") == bool(ingest.machine)
    list(grants)
    assert find(offer.memory) is None


def test_a_stale_lease_is_refused_as_such(ingest: Ingest) -> None:
    """Who comes with an old lease is told so by the type of the error; the holder of the new one goes on."""
    newer = Running(ingest.pusher(100, lease=2))
    assert taken(ingest.port, 1) == [0]
    assert isinstance(Running(ingest.pusher(lease=1)).ended(), StaleLease)
    assert taken(ingest.port, 99) == list(range(1, 100))
    ingest.port.close()
    assert newer.ended() is None


def test_a_new_host_takes_over_behind_what_arrived(ingest: Ingest) -> None:
    """The old host's push ends without an error, and nothing is missing or twice."""
    old = Running(ingest.pusher(100, lease=1))
    assert taken(ingest.port, 10) == list(range(10))
    new = Running(ingest.pusher(100, lease=2))
    assert taken(ingest.port, 90) == list(range(10, 100))
    assert old.ended() is None or isinstance(old.ended(), StaleLease)
    assert ingest.opened[0].closed.is_set()
    ingest.port.close()
    assert new.ended() is None


def test_a_push_that_breaks_off_goes_on_from_the_cursor(ingest: Ingest) -> None:
    """The same worker comes again with the same lease and starts where the ingest says."""
    first = Running(ingest.pusher(100))
    assert taken(ingest.port, 5) == list(range(5))
    first.pusher.stop()
    assert first.ended() is None
    again = Running(ingest.pusher(100))
    assert taken(ingest.port, 95) == list(range(5, 100))
    assert ingest.opened[1].count == 100
    ingest.port.close()
    assert again.ended() is None


def test_a_server_that_goes_away_is_a_broken_push(ingest: Ingest) -> None:
    """The pusher says that a new push may go on, and its pipeline is closed."""
    running = Running(ingest.pusher(100))
    taken(ingest.port, 1)
    ingest.server.stop(None).wait()
    assert isinstance(running.ended(), PushBroken)
    assert ingest.opened[0].closed.is_set()


def test_other_elements_than_the_jobs_are_refused(ingest: Ingest) -> None:
    """The error names the worker and both element specs."""
    error = Running(ingest.pusher(spec=OTHER)).ended()
    assert isinstance(error, Refused)
    assert "worker w1 has elements (x: int64(2)), the job takes (x: int32(2))" in error.what


def test_another_run_is_not_fed_here(ingest: Ingest) -> None:
    """A worker that comes for a run of yesterday is told which run this is."""
    error = Running(ingest.pusher(run="run-0")).ended()
    assert isinstance(error, NotFound)
    assert "'run-1'" in error.fix


class Garbling(Encoder):
    """Sends bytes that are no frames."""

    def messages(self, frames: object, shelf: object = None) -> Iterator[Packed]:
        yield Packed(b"\xff" * 100, 100, 1)


def test_bytes_that_are_no_frame_end_the_push(ingest: Ingest) -> None:
    """The error names stream and worker; the port is free for another host."""
    error = Running(ingest.pusher(encoder=Garbling(SPEC))).ended()
    assert isinstance(error, InvalidInput)
    assert "stream 0 from w1" in error.where
    running = Running(ingest.pusher(10, lease=2))
    assert taken(ingest.port, 10) == list(range(10))
    ingest.port.close()
    assert running.ended() is None


def test_a_batch_too_large_for_a_message_names_its_cursor(ingest: Ingest, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is refused before it is sent, with what to do about it."""
    ingest.machine = ""
    monkeypatch.setattr(transport, "MAX_MESSAGE_BYTES", 100)
    error = Running(ingest.pusher()).ended()
    assert isinstance(error, Exhausted)
    assert error.where.startswith("stream 0 epoch 0 batch")
    assert "batch size" in error.fix


@pytest.mark.parametrize("first", [(), (b"",), (b"\xff\xff",)], ids=["nothing", "empty", "garbage"])
def test_a_push_begins_with_a_hello(ingest: Ingest, first: tuple[bytes, ...]) -> None:
    """A call without one is refused in a sentence, not with an error of the service."""
    with pytest.raises(grpc.RpcError) as failed:
        next(ingest.raw(*first))
    fault = raised(failed.value, "here")
    assert isinstance(fault, InvalidInput)
    assert "hello" in fault.what


def test_a_push_that_says_no_hello_is_let_go(ingest: Ingest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that opens a call and says nothing holds none of the server's threads for ever."""
    monkeypatch.setattr(servicer, "HELLO_SECONDS", 0.05)
    silent = threading.Event()

    def nothing() -> Iterator[bytes]:
        silent.wait(20)
        yield from ()

    call = ingest.channel.stream_stream(
        "/wire.v1.Ingest/Push", request_serializer=None, response_deserializer=ingest_pb2.Grant.FromString
    )
    with pytest.raises(grpc.RpcError) as ended:
        next(call(nothing(), timeout=10))
    silent.set()
    assert ended.value.code() is not grpc.StatusCode.DEADLINE_EXCEEDED


def test_who_stops_sending_before_the_end_no_longer_hosts(ingest: Ingest) -> None:
    """A client that closes its side without the stream's end is let go, so that the wait for it names nobody."""
    grants = list(ingest.raw(ingest.hello()))
    assert grants[0].HasField("start")
    assert grants[-1].stop
    assert ingest.port.host == ""


def test_a_new_host_hears_what_was_taken(ingest: Ingest) -> None:
    """The history of what came before its start reaches the pipeline that is to go on."""
    first = Running(ingest.pusher(100))
    assert taken(ingest.port, 5) == list(range(5))
    first.pusher.stop()
    assert first.ended() is None
    again = Running(ingest.pusher(100, lease=2))
    assert taken(ingest.port, 95) == list(range(5, 100))
    ingest.port.close()
    assert again.ended() is None
    histories = [BEGINNING]
    for number in range(100):
        histories.append(history_after(histories[-1], Cursor(0, 0, number), 0))
    start = ingest.opened[1].started
    assert start.sequence >= 5
    assert [resume.history for resume in ingest.resumed] == [BEGINNING, histories[start.sequence]]


def test_a_fault_of_the_wafer_itself_reaches_the_worker(ingest: Ingest, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error that nobody foresaw ends the push with its name, instead of leaving everybody waiting."""

    def broken(*_: object) -> None:
        raise RuntimeError("no kernel for this")

    monkeypatch.setattr(ingest.port, "arrive", broken)
    error = Running(ingest.pusher()).ended()
    assert isinstance(error, Refused)
    assert "RuntimeError: no kernel for this" in error.what


def test_who_comes_when_the_run_is_over_is_told_to_stop(ingest: Ingest) -> None:
    """A push that begins after the port was closed ends at once."""
    ingest.port.close()
    assert Running(ingest.pusher()).ended() is None


def in_time(call: Callable[[], object]) -> bool:
    """Whether a call returns, instead of waiting for ever."""
    thread = threading.Thread(target=call, daemon=True)
    thread.start()
    thread.join(10)
    return not thread.is_alive()


def test_a_pusher_that_reads_no_grants_does_not_hold_up_the_replica() -> None:
    """When its unread grants have filled their seam its push is ended; the replica's take does not wait for it."""
    port = StreamPort(StreamPosition(Cursor(0)), SPEC, ("int32",))
    push = port.enter(1, "rude")
    frames, lump = Batches(Cursor(0), 99).get_some(1, 1), WINDOW_BATCHES // 4
    assert in_time(lambda: push.arrive(frames * 2 * lump * push.grants.capacity, 8))
    assert push.grants.reading().depth == push.grants.capacity
    pipeline = Batches(Cursor(0, 0, 1), 99)
    push.arrive([frame for _ in range(2 * lump) for frame in pipeline.get_some(1, 1)], 8)
    assert in_time(lambda: [port.take(1) for _ in range(2 * lump + 1)])
    with pytest.raises(SeamClosed):
        push.grants.put(ingest_pb2.Grant(), timeout=0)


def test_batches_without_credit_are_refused() -> None:
    """A pusher that sends on and on is an error at the window's end; nobody waits with the port's lock held."""
    port = StreamPort(StreamPosition(Cursor(0)), SPEC, ("int32",))
    push = port.enter(1, "rude")
    pipeline = Batches(Cursor(0), 1000)
    frames = [frame for _ in range(3 * WINDOW_BATCHES) for frame in pipeline.get_some(1, 1)]
    with pytest.raises(InvalidInput, match="worker rude sends batches without credit"):
        push.arrive(frames, 100)
    assert [int(port.land(port.take(1))[0][0, 0]) for _ in range(3)] == [0, 1, 2]


def test_every_byte_that_was_sent_comes_back_as_credit() -> None:
    """Bytes of a message that its frames do not share evenly are not lost: a run of any length keeps its window."""
    port = StreamPort(StreamPosition(Cursor(0)), SPEC, ("int32",))
    push = port.enter(1, "w")
    first = push.grants.get(0)
    pipeline = Batches(Cursor(0), 10_000)
    granted, lump = 0, WINDOW_BATCHES // 4
    for _ in range(8):
        push.arrive([frame for _ in range(lump) for frame in pipeline.get_some(1, 1)], 1007)
        for _ in range(lump):
            port.take(1)
        granted += push.grants.get(0).bytes
    assert first.bytes > 0
    assert granted == 8 * 1007


def test_a_late_frame_of_a_push_that_was_replaced_is_not_let_in() -> None:
    """The same worker came again with the same lease: what its first call still holds is void."""
    port = StreamPort(StreamPosition(Cursor(0)), SPEC, ("int32",))
    pipeline = Batches(Cursor(0), 10)
    old, new = port.enter(1, "w"), port.enter(1, "w")
    [frame] = pipeline.get_some(1, 1)
    with pytest.raises(StaleLease):
        old.arrive([frame], 10)
    new.arrive([frame], 10)
    assert port.take(1).cursor == Cursor(0)


def test_a_push_hears_what_landed_of_its_own_batches() -> None:
    """Credit that comes back for what another host has sent frees nothing in the memory of this one."""
    port, lump = StreamPort(StreamPosition(Cursor(0)), SPEC, ("int32",)), WINDOW_BATCHES // 4
    pipeline = Batches(Cursor(0), 4 * lump)
    port.enter(1, "old").arrive([frame for _ in range(2 * lump) for frame in pipeline.get_some(1, 1)], 100)
    new = port.enter(2, "new")
    new.arrive([frame for _ in range(lump) for frame in pipeline.get_some(1, 1)], 10)
    for _ in range(3 * lump):
        port.land(port.take(1))
    landed = [new.grants.get(0).landed for _ in range(new.grants.reading().depth)]
    assert landed == [0, 0, 0, lump - 1], "a grant is made when a batch is taken, before that batch lands"
