"""What a run says, and how it gives steps their batches."""

from __future__ import annotations

import numpy as np

from wafer_sim.ledger import StreamPosition
from wafer_sim.run import feed
from wafer_sim.run.board import Board
from wafer_sim.run.feed import Feed
from wire.codec import Frame, spec_to_bytes
from wire.cursor import Cursor
from wire.elements import ElementSpec, Field
from wire.errors import NotFound
from wire.readings import seam_message
from wire.seam import SeamReading
from wire.v1 import run_pb2

SPEC = ElementSpec((Field("x", "int32"),))


def board() -> Board:
    return Board(run_pb2.Attached(run_id="r", incarnation=3, ingest_address="a:1"))


def said(on: Board) -> list[run_pb2.WaferEvent]:
    on.close()
    return list(on.outgoing())


def phases(on: Board) -> list[str]:
    return [event.run.phase for event in said(on)[1:]]


def fed(on: Board, *, replicas: int, counts: dict[int, int], ended: bool = True) -> Feed:
    """A feed whose stream s has counts[s] batches, each holding stream and number."""
    positions = {stream: StreamPosition(Cursor(stream)) for stream in counts}
    plan = run_pb2.DataPlan(streams=len(counts), replicas=replicas, element_spec=spec_to_bytes(SPEC))
    given = Feed(plan, ["int32"], positions, 20.0, on)
    for stream, count in counts.items():
        push = given.ports[stream].enter(1, "w")
        cursors = [Cursor(stream, 0, number) for number in range(count + 1)]
        frames = [Frame(c, c.following(), {"x": np.array([c.sequence], np.int32)}) for c in cursors[:-1]]
        push.arrive([*frames, Frame(cursors[-1], cursors[-1], {}, end=True)] if ended else frames, 100)
    return given


def test_the_first_word_says_who_speaks() -> None:
    """Attached comes before every event, events in order, and closing ends the line after them."""
    on = board()
    on.phase("programming")
    on.failed(NotFound("no checkpoint"))
    attached, *events = said(on)
    assert attached.attached.incarnation == 3
    assert [event.run.WhichOneof("event") for event in events] == ["phase", "failed"]
    assert events[1].run.failed.kind == "NotFound"


def test_a_phase_is_said_when_it_changes() -> None:
    """A repetition is no news; going back is."""
    on = board()
    for phase in ("running", "running", "waiting", "running"):
        on.phase(phase)
    assert phases(on) == ["running", "waiting", "running"]


def test_a_stall_belongs_to_what_kept_the_pushers_waiting() -> None:
    """A worker's latest report replaces its last one; of the seams prefetch and wire count."""
    on = board()
    for scale in (100.0, 1.0):
        seams = [
            run_pb2.Seam(name="prefetch", stream=0, get_wait=3.0 * scale),
            run_pb2.Seam(name="wire", stream=0, put_wait=1.0 * scale, get_wait=50.0),
        ]
        on.report(run_pb2.SeamReport(worker_id="w", seams=seams))
    on.report(run_pb2.SeamReport(worker_id="v", seams=[run_pb2.Seam(name="wire", stream=1, put_wait=2.0)]))
    assert {stall.seam: stall.seconds for stall in on.stalls(12.0)} == {"prepare": 6.0, "wire": 6.0}


def test_a_seam_of_the_wafer_carries_its_stream() -> None:
    """Name and stream are told apart at the slash; a seam without a stream is of stream 0."""
    assert (seam_message(reading("merge/7")).name, seam_message(reading("merge/7")).stream) == ("merge", 7)
    assert seam_message(reading("grants")).stream == 0


def reading(name: str) -> SeamReading:
    return SeamReading(name, 1, 0.0, 0.0, 0.0, 0, 1)


def test_a_step_takes_a_batch_for_each_replica() -> None:
    """Replica r takes its streams r, r + R, ... in turn; the ledger moves when the step is committed."""
    given = fed(board(), replicas=2, counts={0: 2, 1: 2, 2: 2, 3: 2})
    first, second = given.take(), given.take()
    assert first is not None
    assert second is not None
    assert [taken.cursor.stream for taken in first.taken] == [0, 1]
    assert [taken.cursor.stream for taken in second.taken] == [2, 3]
    assert given.ledger.samples == 0
    given.commit(first)
    assert given.ledger.samples == 2
    assert given.ledger.positions[0].cursor == Cursor(0, 0, 1)


def test_the_feed_ends_with_the_first_replica_that_gets_nothing() -> None:
    """A step takes one batch for every replica or none."""
    given = fed(board(), replicas=2, counts={0: 1, 1: 0})
    assert given.take() is None


def test_a_late_stream_is_told_and_so_is_its_coming(monkeypatch) -> None:
    """Who is late is the phase while it lasts, with the worker that hosts it; then the run is running again."""
    on = board()
    given = fed(on, replicas=1, counts={0: 0}, ended=False)
    monkeypatch.setattr(feed, "PATIENCE_SECONDS", 0.0)
    port = given.ports[0]
    take, late = port.take, [True]

    def first_late(timeout: float) -> object:
        if late.pop() if late else False:
            cursor = Cursor(0)
            push = port.enter(2, "slow:17")
            push.arrive([Frame(cursor, cursor.following(), {"x": np.array([1], np.int32)})], 10)
            raise TimeoutError
        return take(timeout)

    monkeypatch.setattr(port, "take", first_late)
    assert given.take() is not None
    assert phases(on) == ["waiting for stream 0; worker slow:17 hosts it", "running"]
