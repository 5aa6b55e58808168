"""The plan: every row once, the same batches for every number of streams, and cursors that lead on."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.plan import StreamPlan
from streamer.turns import Turns
from wire.cursor import Cursor
from wire.errors import InvalidInput


def _tail(plan, cursor, most=60):
    """The slices from a cursor on, with their cursors, and the cursor after them."""
    found = []
    while len(found) < most and (taken := plan.locate(cursor)):
        found.append((cursor, taken))
        cursor = plan.following(cursor)
    return found, cursor


def _plans():
    for rows, batch, replicas, streams, epochs in itertools.product(
        (4, 7, 12, 13), (1, 2, 4), (1, 2), (1, 2, 3, 5), (1, 2, 3)
    ):
        if batch % replicas == 0 and streams >= replicas:
            yield StreamPlan(rows, batch, replicas, streams, True, epochs)
            if replicas == 1:
                yield StreamPlan(rows, batch, replicas, streams, False, epochs)


def test_every_row_once_per_epoch():
    """All streams together take every position of every epoch exactly once, but for a dropped remainder."""
    for plan in _plans():
        taken = [found for stream in range(plan.streams) for _, found in _tail(plan, plan.first(stream))[0]]
        for epoch in range(plan.epochs):
            positions = sorted(p for s in taken if s.epoch == epoch for p in range(s.start, s.stop))
            full = plan.rows if not plan.drop_remainder else plan.rows // plan.batch_size * plan.batch_size
            assert positions == list(range(full)), plan


def test_same_batches_for_every_number_of_streams():
    """What replica r gets at step g does not depend on how many streams carry it."""

    def by_step(plan):
        return {
            (found.step, cursor.stream % plan.replicas): (found.epoch, found.start, found.stop)
            for stream in range(plan.streams)
            for cursor, found in _tail(plan, plan.first(stream))[0]
        }

    for rows, batch, replicas in itertools.product((5, 12, 17), (2, 4), (1, 2)):
        plans = [StreamPlan(rows, batch, replicas, streams, True, 3) for streams in range(replicas, 8)]
        assert len({tuple(sorted(by_step(plan).items())) for plan in plans}) == 1


def test_a_stretch_is_the_batches_one_by_one():
    """However many batches are asked for at once: places, sizes and cursors are those of each batch alone."""
    for plan, most in itertools.product(_plans(), (1, 2, 7)):
        for stream in range(plan.streams):
            cursor, found = plan.first(stream), []
            while stretch := plan.stretch(cursor, most):
                assert 1 <= len(stretch) <= most
                assert len(stretch.positions) == len(stretch) * stretch.rows
                cursors = [stretch.cursor_of(number) for number in range(len(stretch))]
                starts = stretch.starts.tolist()
                found += [(c, start, start + stretch.rows) for c, start in zip(cursors, starts, strict=True)]
                cursor = stretch.cursor_of(len(stretch))
            one_by_one, end = _tail(plan, plan.first(stream))
            assert (found, cursor) == ([(c, s.start, s.stop) for c, s in one_by_one], end), plan


def test_streams_take_turns():
    """A replica's streams take its steps strictly in turn, also across the end of an epoch."""
    for plan in _plans():
        for stream in range(plan.streams):
            turns = plan.turns(stream)
            steps = [found.step for _, found in _tail(plan, plan.first(stream))[0]]
            assert steps == list(range(turns.turn, plan.total_steps, turns.turns)), plan


def test_restoring_gives_the_same_tail():
    """From every cursor of a stream the same batches follow as followed in the first run."""
    for plan in _plans():
        for stream in range(plan.streams):
            whole, end = _tail(plan, plan.first(stream))
            for number, (cursor, _) in enumerate(whole):
                assert _tail(plan, cursor) == (whole[number:], end), plan


def test_end_cursor_is_where_the_next_batch_would_be():
    """The cursor after the last batch is the one that a longer run has there."""
    for plan in _plans():
        longer = StreamPlan(plan.rows, plan.batch_size, plan.replicas, plan.streams, plan.drop_remainder, None)
        for stream in range(plan.streams):
            batches, end = _tail(plan, plan.first(stream))
            assert plan.locate(end) is None
            assert _tail(longer, longer.first(stream), len(batches))[1] == end


def test_sequence_counts_the_streams_own_batches():
    """Cursors count the batches of their own stream and epoch, from 0."""
    plan = StreamPlan(20, 2, 1, 3, True, 4)
    for stream in range(3):
        for _, group in itertools.groupby(_tail(plan, plan.first(stream))[0], key=lambda found: found[0].epoch):
            sequences = [cursor.sequence for cursor, _ in group]
            assert sequences == list(range(len(sequences)))


@given(st.integers(1, 10**12), st.integers(1, 4096), st.integers(1, 8), st.integers(1, 64), st.integers(0, 10**12))
def test_large_runs(rows, replica_batch, replicas, more, step):
    """Also far into a huge run a cursor stands for the step that it was made from, and leads to the next turn."""
    batch = replica_batch * replicas
    rows = max(rows, batch)
    plan = StreamPlan(rows, batch, replicas, replicas + more)
    for stream in (0, replicas + more - 1):
        cursor = plan.cursor_from(stream, step)
        assert plan.step_of(cursor) == plan.turns(stream).next_step(step)
        assert plan.step_of(plan.following(cursor)) == plan.step_of(cursor) + plan.turns(stream).turns


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((100, 10, 2, 1), "at least 2 streams"),
        ((100, 9, 2, 2), "cannot be divided among 2 replicas"),
        ((100, 0, 1, 1), "1 or more"),
        ((100, 10, 1, 1, True, 0), "epochs must be 1"),
        ((9, 10, 1, 1), "9 rows make no batch of 10"),
        ((0, 10, 1, 1, False), "make no batch"),
        ((100, 10, 2, 2, False), "not full"),
    ],
)
def test_refuses_what_does_not_fit(arguments, message):
    """Numbers that cannot make a run are refused with what would."""
    with pytest.raises(InvalidInput, match=message):
        StreamPlan(*arguments)


def test_refuses_a_cursor_of_another_run():
    """A cursor with more batches than its epoch has comes from other data, and is refused."""
    with pytest.raises(InvalidInput, match="no stream 0 epoch 1 batch 5"):
        StreamPlan(50, 10, 1, 1).locate(Cursor(0, 1, 5))
    with pytest.raises(InvalidInput, match="no stream 3"):
        StreamPlan(50, 10, 1, 1).locate(Cursor(3))


def test_turns():
    """Five streams of two replicas: streams 0, 2, 4 feed replica 0 in turn, 1 and 3 replica 1."""
    turns = [Turns(stream, 5, 2) for stream in range(5)]
    assert [(t.replica, t.turn, t.turns) for t in turns] == [(0, 0, 3), (1, 0, 2), (0, 1, 3), (1, 1, 2), (0, 2, 3)]
    assert turns[3].owns(7) and not turns[3].owns(6) and turns[3].next_step(8) == 9
