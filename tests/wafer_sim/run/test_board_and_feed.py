"""What a run says, and how it gives steps their batches."""

from __future__ import annotations

import numpy as np
import pytest

from wafer_sim.accounts import Accounts
from wafer_sim.ingest import merge
from wafer_sim.ledger import Ledger, StreamPosition, Taken
from wafer_sim.run import feed
from wafer_sim.run.board import Board, position_message
from wafer_sim.run.feed import AHEAD_STEPS, READY_STEPS, Feed
from wire.codec import BadSample, Frame
from wire.cursor import Cursor
from wire.elements import ElementSpec, Field
from wire.errors import InvalidInput, NotFound
from wire.readings import seam_message
from wire.schema import spec_to_bytes
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


def fed(on: Board, *, replicas: int, counts: dict[int, int], ended: bool = True, rows: int = 100) -> Feed:
    """A feed whose stream s has counts[s] batches, each holding stream and number."""
    plan = run_pb2.DataPlan(streams=len(counts), replicas=replicas, element_spec=spec_to_bytes(SPEC), rows=rows)
    given = Feed(plan, ["int32"], Ledger.fresh(len(counts)), 20.0, on)
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
    given.commit(first, 1)
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


def late_by(port: object, slices: int, monkeypatch) -> None:
    """The port's next batch is there after so many slices of waiting."""
    take, left = port.take, [slices]

    def slow(timeout: float) -> object:
        if left[0]:
            left[0] -= 1
            raise TimeoutError
        return take(timeout)

    monkeypatch.setattr(port, "take", slow)


def test_a_late_stream_is_an_event_and_a_stall_of_its_own(monkeypatch) -> None:
    """It is told with its worker; the step knows how much of its wait was for it."""
    on = board()
    monkeypatch.setattr(feed, "FIRST_SECONDS", 0.0)
    given = fed(on, replicas=2, counts={0: 1, 1: 1}, ended=False)
    monkeypatch.setattr(merge, "SLICE_SECONDS", 0.005)
    monkeypatch.setattr(merge.time, "perf_counter", iter(range(100)).__next__)
    late_by(given.ports[0], 1, monkeypatch)
    step = given.take()
    (late,) = [event.run.late for event in said(on) if event.run.HasField("late")]
    assert (late.stream, late.worker, late.seconds) == (0, "w", pytest.approx(0.01))
    assert step is not None
    assert step.late == pytest.approx(0.02)
    assert step.wait > step.late


def test_a_loader_that_is_walked_is_not_hurried(monkeypatch) -> None:
    """It may have to be replayed before it gives anything, and another host would have to replay it too."""
    on = board()
    monkeypatch.setattr(feed, "FIRST_SECONDS", 0.0)
    given = fed(on, replicas=2, counts={0: 1, 1: 1}, ended=False, rows=0)
    monkeypatch.setattr(merge.time, "perf_counter", iter(range(100)).__next__)
    late_by(given.ports[0], 1, monkeypatch)
    given.take()
    assert not [event for event in said(on) if event.run.HasField("late")]


def test_late_streams_are_told_apart_from_the_seams() -> None:
    """What they cost is taken from the stall before the rest is split."""
    on = board()
    on.report(run_pb2.SeamReport(worker_id="w", seams=[run_pb2.Seam(name="prefetch", get_wait=1.0)]))
    assert {stall.seam: stall.seconds for stall in on.stalls(5.0, 3.0)} == {"late": 3.0, "prepare": 2.0}


def test_bad_samples_are_told_and_counted_and_booked() -> None:
    """Each committed batch with some is an event; those of a step passed over are told but bound nothing."""
    on = board()
    plan = run_pb2.DataPlan(
        streams=1, replicas=1, element_spec=spec_to_bytes(SPEC), bad_samples=run_pb2.BadSamples(in_a_row=1)
    )
    given = Feed(plan, ["int32"], Ledger.fresh(1), 20.0, on)
    bad = tuple(BadSample(place, 70 + place, "a.idx", "torn") for place in (0, 1))
    cursors = [Cursor(0, 0, number) for number in range(3)]
    values = {"x": np.zeros(2, np.int32)}
    frames = [Frame(c, c.following(), values, bad=bad[:n]) for c, n in zip(cursors, (1, 2, 2), strict=True)]
    given.ports[0].enter(1, "w").arrive(frames, 10)
    given.commit(given.take(), 1)
    given.commit(given.take(), 1, skipped=True)
    with pytest.raises(InvalidInput, match="2 samples in a row are bad; 1 are tolerated"):
        given.commit(given.take(), 2)
    passed = [event.run.passed for event in said(on) if event.run.HasField("passed")]
    assert [(p.step, p.cursor.sequence, len(p.bad)) for p in passed] == [(1, 0, 1), (1, 1, 2), (2, 2, 2)]
    first = passed[0].bad[0]
    assert (first.place, first.row, first.where, first.why) == (0, 70, "a.idx", "torn")
    assert given.ledger.accounts.bad_count == 5


def test_a_plan_without_bounds_tolerates_no_bad_sample() -> None:
    """The frame is refused at the port."""
    given = fed(board(), replicas=1, counts={0: 0}, ended=False)
    frame = Frame(Cursor(0), Cursor(0, 0, 1), {"x": np.zeros(1, np.int32)}, bad=(BadSample(0, 7, "a.idx", "torn"),))
    with pytest.raises(InvalidInput, match="could not read row 7"):
        given.ports[0].enter(2, "w").arrive([frame], 10)


def test_a_feed_goes_on_where_its_ledger_stands() -> None:
    """Steps of the input, the turn of the streams and the counts of bad samples are those of before."""
    before = Ledger([StreamPosition(Cursor(s), 0, 0) for s in range(4)], Accounts())
    bad = (BadSample(0, 1, "a", "torn"),)
    for s, skipped in ((0, False), (2, True)):
        step = [Taken(Cursor(at), Cursor(at, 0, 1), 500, bad=bad) for at in (s, s + 1)]
        before.commit(step, skipped=skipped)
    plan = run_pb2.DataPlan(
        streams=4, replicas=2, element_spec=spec_to_bytes(SPEC), bad_samples=run_pb2.BadSamples(fraction=0.001)
    )
    given = Feed(plan, ["int32"], before, 20.0, board())
    assert given.input_steps == 2
    for stream in range(2):
        values = {"x": np.zeros(1, np.int32)}
        given.ports[stream].enter(1, "w").arrive([Frame(Cursor(stream, 0, 1), Cursor(stream, 0, 2), values)], 10)
    step = given.take()
    assert [taken.cursor for taken in step.taken] == [Cursor(0, 0, 1), Cursor(1, 0, 1)]
    with pytest.raises(InvalidInput, match="2 of 1,001 samples are bad"):
        given.commit(step, 2)
    assert given.input_steps == 3


def test_a_position_is_told_whole() -> None:
    """Cursor, samples and batches."""
    told = position_message(StreamPosition(Cursor(3, 1, 2), 70, 7))
    assert (told.next.stream, told.next.epoch, told.next.sequence, told.samples, told.batches) == (3, 1, 2, 70, 7)


def test_what_is_landed_between_steps_is_taken_in_the_same_order() -> None:
    """Some steps and no more are landed before they are taken; what was has come already."""
    between, plain = (fed(board(), replicas=1, counts={0: 30, 1: 30}) for _ in range(2))
    taken: list[list[tuple[Cursor, list[int]]]] = []
    for given in (between, plain):
        steps: list[tuple[Cursor, list[int]]] = []
        landed = 0
        while given is between and given.land_next():
            landed += 1
        assert landed == (READY_STEPS if given is between else 0)
        while (step := given.take()) is not None:
            steps.append((step.taken[0].cursor, step.batches[0][0].tolist()))
            given.commit(step, len(steps))
            left = sum(port.seam.depth for port in given.ports.values())
            assert left >= 60 - len(steps) - (READY_STEPS if given is between else 0)
            assert step.came <= step.wait
            while given is between and given.land_next():
                landed += 1
        taken.append(steps)
    assert taken[0] == taken[1]
    assert len(taken[1]) == 60


def test_what_lands_ahead_is_taken_in_the_same_order() -> None:
    """The steps are those of a feed that lands nothing ahead, to the end of the streams; a few are landed, not all."""
    ahead, plain = (fed(board(), replicas=1, counts={0: 30, 1: 30}) for _ in range(2))
    ahead.land_ahead()
    taken: list[list[tuple[Cursor, list[int]]]] = []
    for given in (ahead, plain):
        steps: list[tuple[Cursor, list[int]]] = []
        while (step := given.take()) is not None:
            steps.append((step.taken[0].cursor, step.batches[0][0].tolist()))
            given.commit(step, len(steps))
            left = sum(port.seam.depth for port in given.ports.values())
            assert left >= 60 - len(steps) - AHEAD_STEPS
        taken.append(steps)
    ahead.leave()
    assert taken[0] == taken[1]
    assert len(taken[1]) == 60
