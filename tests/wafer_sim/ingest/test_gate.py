"""The gate: strictly by cursor, each once, from the newest lease only."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wafer_sim.ingest.gate import Gate, Verdict
from wafer_sim.ledger import Ledger, LoaderState, StreamPosition, Taken
from wire.codec import Frame
from wire.cursor import Cursor
from wire.errors import InvalidInput, Refused
from wire.history import BEGINNING, history_after


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


def accounted(epoch: int, sequence: int, following: Cursor | None = None, state: bytes = b"") -> Frame:
    """A frame with a digest of its own."""
    cursor = Cursor(0, epoch, sequence)
    return Frame(cursor, following or cursor.following(), {}, digests=(100 * epoch + sequence,), loader_state=state)


def test_the_history_is_of_the_current_epoch() -> None:
    """It grows with each batch let in, not with duplicates, and begins anew with the epoch."""
    gate = Gate(Cursor(0))
    gate.enter(1)
    for frame in (accounted(0, 0), accounted(0, 0), accounted(0, 1)):
        gate.judge(1, frame)
    assert gate.history == history_after(history_after(BEGINNING, Cursor(0), 0), Cursor(0, 0, 1), 1)
    gate.judge(1, accounted(0, 2, Cursor(0, 1, 0)))
    assert gate.history == BEGINNING
    gate.judge(1, accounted(1, 0))
    assert gate.history == history_after(BEGINNING, Cursor(0, 1, 0), 100)


def test_the_newest_state_of_the_loader_is_kept_for_its_epoch() -> None:
    """It says at which cursor it holds; a batch without one leaves it, the next epoch has one of its own or none."""
    gate = Gate(Cursor(0))
    gate.enter(1)
    for frame in (accounted(0, 0, state=b"one"), accounted(0, 1, state=b"two"), accounted(0, 2)):
        gate.judge(1, frame)
    assert gate.loader_state == LoaderState(Cursor(0, 0, 2), b"two")
    gate.judge(1, accounted(0, 3, Cursor(0, 1, 0)))
    assert gate.loader_state is None
    gate.judge(1, accounted(1, 0, Cursor(0, 2, 0), b"begin"))
    assert gate.loader_state == LoaderState(Cursor(0, 2, 0), b"begin")


@given(st.lists(st.tuples(st.booleans(), st.binary(max_size=2)), max_size=30))
def test_gate_and_ledger_agree(given_frames: list[tuple[bool, bytes]]) -> None:
    """What a new host is told is what a run that is resumed from the ledger tells, after any batches and epochs."""
    gate, ledger = Gate(Cursor(0)), Ledger.fresh(1)
    gate.enter(1)
    for epoch_ends, state in given_frames:
        at = gate.expected
        frame = accounted(at.epoch, at.sequence, at.next_epoch() if epoch_ends else None, state)
        gate.judge(1, frame)
        ledger.commit([Taken(at, frame.following, 0, frame.digests[0], loader_state=state)])
    again = Gate.after(ledger.positions[0])
    assert (again.expected, again.history, again.loader_state) == (gate.expected, gate.history, gate.loader_state)


def test_a_gate_goes_on_from_where_the_ledger_stands() -> None:
    """Cursor, history and state of the loader are those of the position."""
    at, state = Cursor(0, 2, 5), LoaderState(Cursor(0, 2, 4), b"s")
    gate = Gate.after(StreamPosition(at, 60, 6, b"d", b"h" * 16, state))
    assert gate.enter(1) == at
    assert (gate.history, gate.loader_state) == (b"h" * 16, state)
    gate.judge(1, accounted(2, 5))
    assert gate.history == history_after(b"h" * 16, at, 205)


def test_what_is_refused_leaves_no_trace() -> None:
    """A frame of a stale lease, or one that leads nowhere, changes neither cursor nor history nor state."""
    gate = Gate(Cursor(0))
    gate.enter(2)
    gate.judge(2, accounted(0, 0, state=b"one"))
    before = (gate.expected, gate.history, gate.loader_state)
    for lease, frame in ((1, accounted(0, 1, state=b"x")), (2, accounted(0, 1, Cursor(1, 5, 0))), (2, accounted(0, 7))):
        with pytest.raises((Refused, InvalidInput)):
            gate.judge(lease, frame)
    assert (gate.expected, gate.history, gate.loader_state) == before
