"""Ports land batches under credits; a merge takes its streams strictly in turn."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from wafer_sim.ingest.merge import SLICE_SECONDS, Merge
from wafer_sim.ingest.port import WINDOW_BATCHES, StreamPort
from wafer_sim.ledger import LoaderState, StreamPosition, Taken
from wire.codec import BadSample, Frame, cursor_from, pack, unpack
from wire.cursor import Cursor
from wire.elements import ElementSpec, Field, Landing
from wire.errors import InvalidInput, Refused, StaleLease, Unreachable
from wire.history import BEGINNING, history_after
from wire.seam import SeamClosed

SPEC = ElementSpec((Field("x", "uint8", (2,), landing=Landing("float32", 0.5, 1.0)), Field("y", "int32")))


def port(stream: int = 0, **changes: bool) -> StreamPort:
    return StreamPort(StreamPosition(Cursor(stream)), SPEC, ("float32", "int64"), **changes)


class Heard:
    """A watch that keeps what it hears."""

    def __init__(self) -> None:
        self.waits: list[tuple[int, float]] = []
        self.came_from: list[tuple[int, float]] = []

    def waiting(self, port: StreamPort, seconds: float) -> None:
        self.waits.append((port.stream, seconds))

    def came(self, port: StreamPort, arrived: object, seconds: float) -> None:
        self.came_from.append((port.stream, seconds))


def batch(value: int, rows: int = 3) -> dict[str, np.ndarray]:
    return {"x": np.full((rows, 2), value, np.uint8), "y": np.full(rows, value, np.int32)}


def frame(stream: int, sequence: int, *, end: bool = False) -> Frame:
    cursor = Cursor(stream, 0, sequence)
    return Frame(cursor, cursor.following(), {} if end else batch(sequence), end)


def send(into: StreamPort, count: int, *, end: bool = False, lease: int = 1) -> None:
    push = into.enter(lease, "w")
    push.arrive([frame(into.stream, i) for i in range(count)], 100)
    if end:
        push.arrive([frame(into.stream, count, end=True)], 10)


def test_values_land_in_the_dtype_that_the_model_takes() -> None:
    """A batch arrives scaled and cast as its landing says, then in the program's dtypes."""
    into = port()
    send(into, 3)
    into.take(1)
    into.take(1)
    x, y = into.land(into.take(1))
    assert x.dtype == np.float32
    assert y.dtype == np.int64
    assert np.array_equal(x, np.full((3, 2), 2.0))
    assert np.array_equal(y, [2, 2, 2])


def several(stream: int, sequence: int, count: int, state: bytes = b"") -> Frame:
    """A frame of `count` batches, of which each is as `batch` makes it."""
    first = Cursor(stream, 0, sequence)
    values = [batch(sequence + i) for i in range(count)]
    joined = {name: np.concatenate([each[name] for each in values]) for name in values[0]}
    digests = tuple(7 + sequence + i for i in range(count))
    rows = np.arange(3 * count) + 3 * sequence
    return Frame(first, first.further(count), joined, digests=digests, row_numbers=rows, loader_state=state)


def test_the_batches_of_a_frame_come_out_one_by_one() -> None:
    """Values, cursors, digests and row numbers are those of each batch; the bytes are shared out to the last one."""
    into = port()
    into.enter(1, "w").arrive([several(0, 0, 3, b"state")], 100)
    arrived = [into.take(1) for _ in range(3)]
    assert [into.land(a)[0].tolist() for a in arrived] == [[[1 + i / 2] * 2] * 3 for i in range(3)]
    assert [a.wire_bytes for a in arrived] == [33, 33, 34]
    for i, taken in enumerate(a.taken for a in arrived):
        assert taken[:4] == (Cursor(0, 0, i), Cursor(0, 0, i + 1), 3, 7 + i)
        assert taken.row_numbers.tolist() == [3 * i, 3 * i + 1, 3 * i + 2]
        assert taken.loader_state == (b"state" if i == 2 else b"")


def test_batches_in_one_frame_are_let_in_as_they_are_one_by_one() -> None:
    """History, credits and the next cursor are the same; a frame is a duplicate as a whole, or it is refused."""
    whole, alone = port(), port()
    pushes = whole.enter(1, "w"), alone.enter(1, "w")
    pushes[0].arrive([several(0, 0, 2), several(0, 2, 3)], 100)
    pushes[1].arrive([several(0, i, 1) for i in range(5)], 100)
    grants = [into.enter(2, "new").grants.get(0) for into in (whole, alone)]
    assert grants[0].history == grants[1].history != BEGINNING
    assert (grants[0].start, grants[0].batches) == (grants[1].start, grants[1].batches)
    assert grants[0].batches == WINDOW_BATCHES - 5
    again = whole.enter(3, "newest")
    again.arrive([several(0, 2, 3)], 100)
    with pytest.raises(InvalidInput, match="batch 5 comes in the middle of the batches from stream 0 epoch 0 batch 4"):
        again.arrive([several(0, 4, 2)], 100)


def test_a_place_is_free_once_the_last_batch_of_its_frame_has_landed() -> None:
    """Taking frees nothing, and the batches of a push that was replaced count for that push only."""
    into = port()
    first = into.enter(1, "w")
    first.arrive([several(0, 0, 2), several(0, 2, 1)], 100)
    second = into.enter(2, "new")
    second.arrive([several(0, 3, 1)], 100)
    taken, seen = [into.take(1) for _ in range(4)], []
    for arrived in taken:
        into.land(arrived)
        seen.append((first.landings.frames, second.landings.frames))
    assert seen == [(0, 0), (1, 0), (2, 0), (2, 1)]


def test_a_dropped_duplicate_frees_no_place() -> None:
    """What came before it may still wait where it lies."""
    into = port()
    push = into.enter(1, "w")
    push.arrive([several(0, 0, 2), several(0, 0, 2), several(0, 2, 1)], 100)
    assert push.landings.frames == 0
    for _ in range(3):
        into.land(into.take(1))
    assert push.landings.frames == 2


def test_what_can_be_taken_at_once_is_known() -> None:
    """A batch can; where there is none, or the stream ends, it cannot."""
    into = port()
    assert not into.has_batch()
    send(into, 2, end=True)
    seen = [into.has_batch()]
    for _ in range(2):
        into.take(1)
        seen.append(into.has_batch())
    assert seen == [True, True, False]
    assert into.take(1).end


def test_the_first_grant_says_where_to_start_and_how_much_may_be_sent() -> None:
    """A host is told the expected cursor and a full window."""
    push = port(3).enter(1, "w")
    grant = push.grants.get(0)
    assert (grant.start.stream, grant.start.sequence, grant.batches) == (3, 0, WINDOW_BATCHES)


def test_a_new_host_starts_behind_what_was_let_in_and_the_old_one_is_stopped() -> None:
    """A second host starts at the first batch not yet let in; the first one's grants end, its frames are refused."""
    into = port()
    old = into.enter(1, "old")
    old.grants.get(0)
    old.arrive([frame(0, 0), frame(0, 1)], 100)
    new = into.enter(2, "new")
    grant = new.grants.get(0)
    assert (grant.start.sequence, grant.batches) == (2, WINDOW_BATCHES - 2)
    with pytest.raises(SeamClosed):
        old.grants.get(0)
    with pytest.raises(Refused):
        old.arrive([frame(0, 2)], 100)
    assert into.host == "new"


def test_taking_batches_grants_credit_and_tells_what_was_acked() -> None:
    """After a quarter of the window is taken, its credit is granted with the acked cursor."""
    into = port()
    push = into.enter(1, "w")
    push.grants.get(0)
    push.arrive([frame(0, i) for i in range(WINDOW_BATCHES)], 1000)
    into.ack(Cursor(0, 0, 5))
    for _ in range(WINDOW_BATCHES // 4):
        into.take(1)
    grant = push.grants.get(0)
    assert (grant.batches, grant.acked.sequence) == (WINDOW_BATCHES // 4, 5)


def test_a_duplicate_is_dropped_and_its_credit_given_back() -> None:
    """Batches that were let in before are not let in again, and do not cost their sender credit for ever."""
    into = port()
    lump = WINDOW_BATCHES // 4
    send(into, lump)
    push = into.enter(1, "w")
    push.grants.get(0)
    push.arrive([frame(0, i) for i in range(lump)] * 2, 100)
    assert into.seam.reading().items == lump
    assert push.grants.get(0).batches == lump


def test_a_replica_takes_its_streams_in_turn_and_passes_over_those_that_ended() -> None:
    """Batches alternate between streams; when one has ended the others go on; when all have, so has the merge."""
    ports = [port(0), port(1)]
    send(ports[0], 3, end=True)
    send(ports[1], 1, end=True)
    merge = Merge(ports, taken=0, timeout=1, watch=Heard())
    cursors = [arrived.cursor for arrived in iter(merge.next, None)]
    assert cursors == [Cursor(0), Cursor(1), Cursor(0, 0, 1), Cursor(0, 0, 2)]


def test_a_resumed_merge_knows_whose_turn_it_is() -> None:
    """After an odd number of batches from two streams the second one is due."""
    ports = [port(0), port(1)]
    send(ports[0], 1)
    send(ports[1], 1)
    merge = Merge(ports, taken=5, timeout=1, watch=Heard())
    first = merge.next()
    assert first is not None
    assert first.cursor.stream == 1


def test_a_late_stream_is_named_with_its_host() -> None:
    """When nothing comes in time the error says which stream is late and which worker hosts it."""
    into = port(2)
    into.enter(1, "slow:17")
    heard = Heard()
    merge = Merge([into], taken=0, timeout=0.01, watch=heard)
    with pytest.raises(Unreachable, match=r"stream 2 gave no batch .* worker slow:17"):
        merge.next()
    assert [stream for stream, _ in heard.waits] == [2]


def test_closing_a_port_wakes_whoever_waits() -> None:
    """A replica that waits for a batch and a worker that waits for credit are both released."""
    into = port()
    push = into.enter(1, "w")
    push.grants.get(0)
    closer = threading.Thread(target=into.close)
    closer.start()
    with pytest.raises(SeamClosed):
        into.take(5)
    with pytest.raises(SeamClosed):
        push.grants.get(5)
    closer.join()


def test_a_wait_is_heard_in_slices_and_its_end_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch that comes ends the wait at once; a slice in which this process was held up counts little."""
    into, heard = port(), Heard()
    send(into, 1)
    take, late = into.take, [True, True]
    clock = iter([0.0, 0.1, 0.1, 50.0, 50.0, 50.03])
    monkeypatch.setattr("wafer_sim.ingest.merge.time.perf_counter", lambda: next(clock))

    def late_twice(timeout: float) -> object:
        assert timeout == SLICE_SECONDS
        if late and late.pop():
            raise TimeoutError
        return take(timeout)

    monkeypatch.setattr(into, "take", late_twice)
    assert Merge([into], taken=0, timeout=40, watch=heard).next() is not None
    assert heard.waits == [(0, pytest.approx(0.1)), (0, pytest.approx(2 * SLICE_SECONDS))]
    assert heard.came_from == [(0, pytest.approx(0.03))]


def accounted(sequence: int, state: bytes = b"", bad: tuple[BadSample, ...] = ()) -> Frame:
    cursor = Cursor(0, 0, sequence)
    numbers = np.arange(3) + 10 * sequence
    return Frame(cursor, cursor.following(), batch(sequence), False, (7 + sequence,), numbers, bad, state)


def test_the_account_of_a_batch_arrives_with_it() -> None:
    """Digest, row numbers, bad samples and the loader's state reach the ledger as they were sent, by copy."""
    into = port(tolerant=True)
    bad = BadSample(1, 11, "part-0.parquet", "no image")
    message = pack([accounted(0, b"state", (bad,))], SPEC)
    into.enter(1, "w").arrive(unpack(message.data, SPEC).frames, message.size)
    taken = into.take(1).taken
    expected = Taken(Cursor(0), Cursor(0, 0, 1), 3, 7, taken.row_numbers, (bad,), b"state")
    assert taken == expected
    assert taken.row_numbers.tolist() == [0, 1, 2]
    assert len(taken.row_numbers.base) == taken.row_numbers.nbytes, "it would keep its whole message"


def test_a_new_host_is_told_what_was_let_in() -> None:
    """The first grant has the history and the newest state of the loader before its start; at the beginning neither."""
    into = port()
    first = into.enter(1, "old")
    grant = first.grants.get(0)
    assert (grant.history, grant.HasField("loader_state")) == (BEGINNING, False)
    first.arrive([accounted(0, b"one"), accounted(1), accounted(1)], 100)
    grant = into.enter(2, "new").grants.get(0)
    assert grant.history == history_after(history_after(BEGINNING, Cursor(0), 7), Cursor(0, 0, 1), 8)
    assert (cursor_from(grant.loader_state.at), grant.loader_state.state) == (Cursor(0, 0, 1), b"one")


def test_a_resumed_port_tells_what_the_ledger_knows() -> None:
    """The first host of a run that goes on is given the position's history and state."""
    position = StreamPosition(Cursor(0, 1, 4), 30, 10, b"d", b"h" * 16, LoaderState(Cursor(0, 1, 3), b"s"))
    grant = StreamPort(position, SPEC, ("float32", "int64")).enter(1, "w").grants.get(0)
    assert (cursor_from(grant.start), grant.history) == (Cursor(0, 1, 4), b"h" * 16)
    assert (cursor_from(grant.loader_state.at), grant.loader_state.state) == (Cursor(0, 1, 3), b"s")


def test_a_bad_sample_is_refused_where_none_is_tolerated() -> None:
    """The error names worker, row and where it lies; nothing was let in. A stale push hears that it is stale."""
    into = port()
    bad = BadSample(1, 11, "part-0.parquet", "no image")
    push = into.enter(1, "w:1")
    with pytest.raises(InvalidInput, match="worker w:1 could not read row 11: no image") as refused:
        push.arrive([accounted(0, bad=(bad,))], 10)
    assert refused.value.where == "part-0.parquet, stream 0 epoch 0 batch 0"
    assert not into.ready
    into.enter(2, "other")
    with pytest.raises(StaleLease):
        push.arrive([accounted(0, bad=(bad,))], 10)


def test_a_worker_that_was_frozen_changes_nothing_when_it_wakes() -> None:
    """B took over from A's cursor and went on; each of A's frames is refused, and cursor, credit and account stay."""
    into = port()
    frozen = into.enter(1, "A")
    frozen.arrive([accounted(i, b"a%d" % i) for i in range(3)], 300)
    woken = into.enter(2, "B")
    assert woken.grants.get(0).start.sequence == 3
    woken.arrive([accounted(i, b"b%d" % i) for i in range(3, 6)], 300)
    before = state(into)
    for sequence in (2, 3, 5, 6, 7):
        with pytest.raises(StaleLease):
            frozen.arrive([accounted(sequence, b"old")], 100)
    with pytest.raises(StaleLease):
        into.enter(1, "A")
    with pytest.raises(StaleLease):
        frozen.arrive([Frame(Cursor(0, 0, 6), Cursor(0, 0, 6), {}, end=True)], 10)
    into.leave(frozen)
    assert state(into) == before
    assert into.host == "B"
    assert [into.take(1).taken.loader_state for _ in range(6)] == [b"a0", b"a1", b"a2", b"b3", b"b4", b"b5"]
    woken.arrive([accounted(6)], 100)


def state(into: StreamPort) -> tuple[object, ...]:
    """All that a frame may change."""
    gate, window = into._gate, into._window
    return (
        gate.expected,
        gate.history,
        gate.loader_state,
        gate.lease,
        gate.ended,
        str(window),
        into.seam.reading().depth,
    )


def test_hosts_are_told_apart_by_a_number() -> None:
    """A batch knows which push brought it, also when another worker has come since."""
    into = port()
    into.enter(1, "A").arrive([accounted(0)], 10)
    into.enter(2, "B").arrive([accounted(1)], 10)
    assert [into.take(1).host, into.take(1).host, into.hosts] == [1, 2, 2]
