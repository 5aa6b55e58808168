"""Ports land batches under credits; a merge takes its streams strictly in turn."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from wafer_sim.ingest.merge import Merge
from wafer_sim.ingest.port import WINDOW_BATCHES, StreamPort
from wire.codec import Frame
from wire.cursor import Cursor
from wire.elements import ElementSpec, Field, Landing
from wire.errors import Refused, Unreachable
from wire.seam import SeamClosed

SPEC = ElementSpec((Field("x", "uint8", (2,), landing=Landing("float32", 0.5, 1.0)), Field("y", "int32")))


def port(stream: int = 0) -> StreamPort:
    return StreamPort(Cursor(stream), SPEC, ("float32", "int64"))


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
    x, y = into.take(1).arrays
    assert x.dtype == np.float32
    assert y.dtype == np.int64
    assert np.array_equal(x, np.full((3, 2), 2.0))
    assert np.array_equal(y, [2, 2, 2])


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
    send(into, 4)
    push = into.enter(1, "w")
    push.grants.get(0)
    push.arrive([frame(0, i) for i in range(4)] * 2, 100)
    assert into.seam.reading().items == 4
    assert push.grants.get(0).batches == WINDOW_BATCHES // 4


def test_a_replica_takes_its_streams_in_turn_and_passes_over_those_that_ended() -> None:
    """Batches alternate between streams; when one has ended the others go on; when all have, so has the merge."""
    ports = [port(0), port(1)]
    send(ports[0], 3, end=True)
    send(ports[1], 1, end=True)
    merge = Merge(ports, taken=0, timeout=1)
    cursors = [arrived.cursor for arrived in iter(merge.next, None)]
    assert cursors == [Cursor(0), Cursor(1), Cursor(0, 0, 1), Cursor(0, 0, 2)]


def test_a_resumed_merge_knows_whose_turn_it_is() -> None:
    """After an odd number of batches from two streams the second one is due."""
    ports = [port(0), port(1)]
    send(ports[0], 1)
    send(ports[1], 1)
    merge = Merge(ports, taken=5, timeout=1)
    first = merge.next()
    assert first is not None
    assert first.cursor.stream == 1


def test_a_late_stream_is_named_with_its_host() -> None:
    """When nothing comes in time the error says which stream is late and which worker hosts it."""
    into = port(2)
    into.enter(1, "slow:17")
    told = []
    merge = Merge([into], taken=0, timeout=0.01, waiting=lambda p, seconds: told.append((p.stream, seconds)))
    with pytest.raises(Unreachable, match=r"stream 2 gave no batch .* worker slow:17"):
        merge.next()
    assert told[0][0] == 2


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
