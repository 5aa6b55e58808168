"""Batches gathered together: the same as one by one, and only as many as are quick."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.columns import Table, check_rows, one_by_one
from streamer.digests import rows_digest
from streamer.plan import StreamPlan
from streamer.stages.batch import Gather, Making, Together
from streamer.stages.reading import RowReader
from streamer.stages.shuffle import Shuffled
from wire.cursor import Cursor
from wire.elements import ElementSpec, Field
from wire.errors import InvalidInput
from wire.room import Room

ROWS = 50


class _Numbers:
    """Its own row numbers, of which some cannot be read."""

    spec = ElementSpec((Field("n", "int64"),))
    blocks = (ROWS,)
    random = False

    def __init__(self, torn=()):
        self._torn = set(torn)
        self._table = Table({"n": np.arange(ROWS)})

    def __len__(self):
        return ROWS

    def gather(self, rows):
        check_rows(rows, ROWS)
        for row in rows.tolist():
            if row in self._torn:
                raise InvalidInput(f"row {row} is torn", where=f"row {row}")
        return self._table.gather(rows)

    def describe(self):
        return "numbers"

    def where(self, row):
        return f"row {row}"

    def gather_into(self, rows, out):
        self.gather(rows)
        return self._table.gather(rows, out)


class _Rooms:
    """Gives so many rooms, and notes which are dropped."""

    def __init__(self, most):
        self.left, self.given, self.dropped = most, [], []

    def room(self, layout, batches):
        if not self.left:
            return None
        self.left -= 1
        self.given.append(Room(layout, np.zeros(layout.size, np.uint8), place=len(self.given)))
        return self.given[-1]

    def drop(self, room):
        self.dropped.append(room)


def _gather(most, torn=(), pass_bad=False, streams=3, drop=True, rooms=None):
    plan = StreamPlan(ROWS, 4, 1, streams, drop, 3)
    reader = RowReader(_Numbers(torn), 5, pass_bad=pass_bad)
    return Gather(plan, Shuffled(ROWS, 5), reader, Cursor(1), Making(most, rooms, _Numbers.spec))


def _walked(gather):
    frames = []
    while (frame := gather.next()) is not None:
        frames.append(frame)
    return frames


def _told(frames):
    """Each batch, as its consumer sees it."""
    return [
        (f.cursor, f.following, f.batch["n"].tolist(), f.digests, f.row_numbers.tolist(), f.bad)
        for frame in frames
        for f in one_by_one(frame)
    ]


@pytest.mark.parametrize("most", [1, 8])
@pytest.mark.parametrize("left", [3, 1000])
def test_batches_are_made_in_rooms_while_there_are_any(left, most):
    """They are the same batches, and lie where their payload belongs."""
    rooms = _Rooms(left)
    frames = _walked(_gather(most, rooms=rooms))
    assert _told(frames) == _told(_walked(_gather(1)))
    assert [frame.room for frame in frames[:left]] == rooms.given
    assert all(np.shares_memory(frame.batch["n"], frame.room.memory) for frame in frames[:left])
    assert not any(frame.room for frame in frames[left:])
    assert rooms.dropped == []


def test_the_room_of_a_batch_that_cannot_be_read_is_dropped():
    """Each other room is in a frame; that of a batch with stand-ins is filled when it is sent."""
    rooms, together = _Rooms(1000), [frame for frame in _walked(_gather(8)) if frame.batches > 1]
    torn = together[0].row_numbers[1]
    frames = _walked(_gather(8, torn=[torn], pass_bad=True, rooms=rooms))
    assert any(frame.bad for frame in frames)
    assert rooms.dropped
    assert [frame.room for frame in frames] == [room for room in rooms.given if room not in rooms.dropped]
    assert all(frame.room.fill(frame.batch) for frame in frames)
    assert all(np.array_equal(frame.room.columns["n"], frame.batch["n"]) for frame in frames)
    with pytest.raises(InvalidInput, match=f"row {torn} is torn"):
        _walked(_gather(1, torn=[torn], rooms=rooms))
    assert rooms.given[-1] is rooms.dropped[-1]


@pytest.mark.parametrize("drop", [True, False])
@pytest.mark.parametrize("most", [2, 8, 1000])
def test_batches_gathered_together_are_those_gathered_one_by_one(most, drop):
    """Cursors, values, digests and row numbers of every batch, whatever is gathered at once."""
    together = _walked(_gather(most, drop=drop))
    assert max(frame.batches for frame in together) > 1
    assert _told(together) == _told(_walked(_gather(1, drop=drop)))
    for frame in (f for each in together for f in one_by_one(each)):
        assert frame.digests == (rows_digest(frame.row_numbers),)


@given(st.sets(st.integers(0, ROWS - 1), max_size=5), st.integers(2, 9))
def test_a_row_that_cannot_be_read_is_found_in_its_batch(torn, most):
    """Passed over or raised, it is as if each batch had been gathered alone; those before it are delivered."""
    assert _told(_walked(_gather(most, torn, pass_bad=True))) == _told(_walked(_gather(1, torn, pass_bad=True)))
    seen = []
    for each in (1, most):
        gather, frames = _gather(each, torn), []
        try:
            while (frame := gather.next()) is not None:
                frames.append(frame)
        except InvalidInput as fault:
            seen.append((_told(frames), fault.what, fault.where, gather.position))
        else:
            seen.append((_told(frames), "", "", gather.position))
    assert seen[0] == seen[1]


def test_a_reset_gather_goes_on_at_any_batch():
    """The position between frames leads on to the same batches, also from the middle of what was gathered."""
    whole = _told(_walked(_gather(8)))
    for number, told in enumerate(whole):
        gather = _gather(8)
        gather.next()
        gather.reset(told[0])
        assert gather.position == told[0]
        assert _told(_walked(gather)) == whole[number:]


def test_more_are_gathered_while_it_is_quick_and_they_are_small():
    """Doubled up to the most, never beyond what is small enough; halved when slow; alone after a failure."""
    together = Together(12)
    seen = []
    for seconds in (0.0, 0.0, 0.0, 0.0, 0.005, 1.0, 1.0):
        together.took(seconds, 100 * together.batches)
        seen.append(together.batches)
    assert seen == [2, 4, 8, 12, 12, 6, 3]
    together.failed()
    assert together.batches == 1
    together.took(0.0, 2 << 20)
    together.took(0.0, 4 << 20)
    assert together.batches == 2


@given(st.integers(0, 64), st.lists(st.tuples(st.floats(0, 0.1), st.integers(0, 1 << 24))))
def test_there_is_always_a_batch_to_gather(most, observed):
    """Whatever is observed: one at least, and never more than the most."""
    together = Together(most)
    for seconds, nbytes in observed:
        together.took(seconds, nbytes)
        assert 1 <= together.batches <= max(1, most)
