"""The gate: strictly by cursor, each once, from the newest lease only."""

from __future__ import annotations

import itertools

import pytest

from wafer_sim.ingest.gate import Gate, Verdict
from wire.codec import Frame
from wire.cursor import Cursor
from wire.errors import InvalidInput, Refused


def frame(epoch: int, sequence: int, *, end: bool = False, following: Cursor | None = None) -> Frame:
    cursor = Cursor(0, epoch, sequence)
    return Frame(cursor, following or (cursor if end else cursor.following()), {}, end)


def test_takes_each_batch_once_and_names_where_a_host_must_start() -> None:
    """A batch at the expected cursor is taken and moves it; the same batch again is dropped."""
    gate = Gate(Cursor(0))
    assert gate.enter(1) == Cursor(0)
    assert gate.judge(1, frame(0, 0)) is Verdict.TAKE
    assert gate.judge(1, frame(0, 0)) is Verdict.DROP
    assert gate.enter(2) == Cursor(0, 0, 1)


def test_follows_the_stream_over_an_epoch() -> None:
    """The frame itself says where the stream goes on, also in the next epoch."""
    gate = Gate(Cursor(0, 0, 4))
    gate.enter(1)
    assert gate.judge(1, frame(0, 4, following=Cursor(0, 1, 0))) is Verdict.TAKE
    assert gate.expected == Cursor(0, 1, 0)
    assert gate.judge(1, frame(0, 5)) is Verdict.DROP


def test_refuses_a_stale_lease_at_the_door_and_in_the_push() -> None:
    """Once a newer lease has come, the older one may neither begin to push nor go on."""
    gate = Gate(Cursor(0))
    gate.enter(1)
    gate.enter(3)
    with pytest.raises(Refused, match="stale"):
        gate.enter(2)
    with pytest.raises(Refused, match="stale"):
        gate.judge(1, frame(0, 0))
    assert gate.expected == Cursor(0)


def test_a_gap_is_an_error_that_names_the_missing_batch() -> None:
    """A batch beyond the expected cursor is not let in."""
    gate = Gate(Cursor(0))
    gate.enter(1)
    with pytest.raises(InvalidInput, match="stream 0 epoch 0 batch 0 is missing"):
        gate.judge(1, frame(0, 1))


def test_a_frame_of_another_stream_or_that_goes_back_is_an_error() -> None:
    """A frame must belong to the stream of its push and lead forward."""
    gate = Gate(Cursor(1))
    gate.enter(1)
    with pytest.raises(InvalidInput, match="push of stream 1"):
        gate.judge(1, frame(0, 0))
    with pytest.raises(InvalidInput, match="followed by"):
        gate.judge(1, Frame(Cursor(1), Cursor(1), {}))


def test_nothing_is_taken_after_the_end() -> None:
    """The end of a stream is taken once; whatever comes then is dropped."""
    gate = Gate(Cursor(0))
    gate.enter(1)
    assert gate.judge(1, frame(0, 0, end=True)) is Verdict.TAKE
    assert gate.judge(1, frame(0, 0)) is Verdict.DROP


def test_every_interleaving_of_two_hosts_takes_each_batch_once_in_order() -> None:
    """Exhaustively: however the frames of an old and a new host interleave, the batches go in once, in order."""
    frames = [frame(0, i) for i in range(4)]
    for moves in itertools.product("on", repeat=7):
        gate, taken, sent, entered = Gate(Cursor(0)), [], {"o": 0, "n": 0}, False
        gate.enter(1)
        for who in moves:
            if who == "n" and not entered:
                sent["n"], entered = gate.enter(2).sequence, True
            if sent[who] >= len(frames) or (who == "o" and entered):
                continue
            if gate.judge(2 if who == "n" else 1, frames[sent[who]]) is Verdict.TAKE:
                taken.append(sent[who])
            sent[who] += 1
        assert taken == list(range(len(taken)))
