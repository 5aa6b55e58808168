"""Positions: what arithmetic says of every stream is what walking to the step gives."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.plan import StreamPlan
from streamer.positions import Position, positions_at
from wire.errors import InvalidInput


@st.composite
def _plans(draw):
    replicas = draw(st.integers(1, 3))
    batch = replicas * draw(st.integers(1, 4))
    rows = draw(st.integers(batch, 40))
    streams = draw(st.integers(replicas, 9))
    drop = replicas > 1 or draw(st.booleans())
    return StreamPlan(rows, batch, replicas, streams, drop, draw(st.sampled_from([None, 1, 2, 5])))


def _walked(plan, stream, step):
    """The position that walking the stream up to a global step gives."""
    cursor, samples, batches = plan.first(stream), 0, 0
    while (taken := plan.locate(cursor)) and taken.step < step:
        samples, batches, cursor = samples + taken.stop - taken.start, batches + 1, plan.following(cursor)
    return Position(cursor, samples, batches)


@given(_plans(), st.integers(0, 120))
def test_positions_are_those_of_a_walk(plan, step):
    """At every step of every plan, whatever its streams, replicas, epochs and short last batches."""
    step = min(step, step if plan.total_steps is None else plan.total_steps)
    assert positions_at(plan, step) == [_walked(plan, stream, step) for stream in range(plan.streams)]


@given(_plans(), st.integers(0, 120))
def test_all_streams_together_took_every_sample(plan, step):
    """The samples before a step do not depend on how many streams carried them."""
    step = min(step, step if plan.total_steps is None else plan.total_steps)
    one = StreamPlan(plan.rows, plan.batch_size, plan.replicas, plan.replicas, plan.drop_remainder, plan.epochs)
    mine, theirs = positions_at(plan, step), positions_at(one, step)
    assert sum(p.samples for p in mine) == sum(p.samples for p in theirs)
    assert sum(p.batches for p in mine) == step * plan.replicas


def test_a_large_step_costs_nothing():
    """It is arithmetic: 10**15 steps with 97 streams are answered at once."""
    found = positions_at(StreamPlan(1003, 4, 1, 97, False), 10**15)
    assert sum(p.batches for p in found) == 10**15
    assert sum(p.samples for p in found) == 10**15 // 251 * 1003 + 10**15 % 251 * 4


@pytest.mark.parametrize("step", [-1, 5])
def test_a_step_that_the_run_has_not_is_refused(step):
    """Neither before its start nor beyond its end."""
    with pytest.raises(InvalidInput, match="has no step"):
        positions_at(StreamPlan(8, 2, 1, 2, True, 1), step)
