"""Going on from a checkpoint with other streams, and what must not change."""

from __future__ import annotations

import pytest

from clients.input import LoaderInput, train_plan
from clients.resuming import starts
from clients.sections import RunConfig
from streamer.plan import StreamPlan
from wafer_sim.checkpoints import Checkpoint
from wafer_sim.ledger import StreamPosition
from wafer_sim.runtime.protocol import State
from wire.codec import cursor_from
from wire.elements import ElementSpec
from wire.errors import InvalidInput, Refused
from wire.v1 import run_pb2

ROWS, BATCH = 1000, 30


def source(rows: int | None = ROWS) -> LoaderInput:
    return LoaderInput(ElementSpec(()), BATCH, rows, True, True, "", "rows")


def plan(streams: int, replicas: int = 1, rows: int | None = ROWS, seed: int = 1) -> run_pb2.DataPlan:
    return train_plan(source(rows), RunConfig(num_streams=streams, seed=seed), replicas)


def taken(streams: int, steps: int, replicas: int = 1, **data: object) -> Checkpoint:
    """A checkpoint after so many steps of the input, as walking the plan batch by batch leaves it."""
    cut = StreamPlan(ROWS, BATCH, replicas, streams)
    at = {stream: StreamPosition(cut.first(stream)) for stream in range(streams)}
    for step in range(steps):
        for stream, position in at.items():
            if cut.turns(stream).owns(step):
                following, samples = cut.following(position.cursor), position.samples + cut.replica_batch
                at[stream] = StreamPosition(following, samples, position.batches + 1)
    facts = {"streams": streams, "replicas": replicas, "batch_size": BATCH, "rows": ROWS, "seed": 1, "shuffle": True}
    # Some of the steps were skipped: the step of the weights is another one.
    return Checkpoint(steps // 2, State({}), tuple(at.values()), data=facts | data)


@pytest.mark.parametrize(("before", "after", "replicas"), [(4, 3, 1), (1, 7, 1), (5, 2, 2), (4, 9, 3)])
@pytest.mark.parametrize("steps", [1, 32, 33, 34, 101])
def test_other_streams_start_where_these_steps_leave_them(before: int, after: int, replicas: int, steps: int) -> None:
    """Whatever the cut, the streams start where a run that had them from the first step would be."""
    given = starts(source(), plan(after, replicas), taken(before, steps, replicas))
    found = [StreamPosition(cursor_from(s.cursor), s.samples, s.batches) for s in given]
    assert found == list(taken(after, steps, replicas).streams)


def test_the_same_streams_go_on_at_their_own_cursors() -> None:
    """Nothing is computed where the checkpoint says it all, for rows and for a loader that is walked."""
    assert starts(source(), plan(4), taken(4, 50)) == []
    assert starts(source(None), plan(4, rows=None), taken(4, 50)) == []


def test_a_run_that_has_taken_nothing_yet_may_have_any_streams() -> None:
    """The checkpoint of step 0 has no streams."""
    assert starts(source(), plan(4), Checkpoint(0, State({}))) == []


def test_a_loader_that_is_walked_keeps_its_streams() -> None:
    """Each of its streams is another walk; the error says with which number it goes on."""
    with pytest.raises(Refused, match="4 streams, this run has 3") as caught:
        starts(source(None), plan(3, rows=None), taken(4, 50))
    assert "set it to 4" in caught.value.fix


@pytest.mark.parametrize(
    ("data", "key"),
    [
        ({"replicas": 2}, "runconfig.num_replicas"),
        ({"batch_size": 60}, "train_input.batch_size"),
        ({"rows": 900}, "train_input"),
        ({"seed": 5}, "runconfig.seed"),
        ({"shuffle": False}, "train_input.shuffle"),
    ],
)
@pytest.mark.parametrize("streams", [4, 3])
def test_what_a_cursor_means_must_not_change(data: dict[str, object], key: str, streams: int) -> None:
    """With the same streams or others: replicas, batch size and data are those of the checkpoint, or it is refused."""
    with pytest.raises(Refused) as caught:
        starts(source(), plan(streams), taken(4, 50, **data))
    assert caught.value.where == key
    assert f"was {next(iter(data.values()))}" in caught.value.what


def test_a_walked_loader_may_be_seeded_anew() -> None:
    """What orders rows says nothing about a loader that has none."""
    assert starts(source(None), plan(4, rows=None, seed=9), taken(4, 50)) == []


def test_replicas_that_are_not_at_one_step_are_no_place_to_start() -> None:
    """A ledger in which one replica took more than another is damaged."""
    torn = taken(2, 50, 2)
    first, second = torn.streams
    streams = (first, StreamPosition(second.cursor, second.samples, second.batches + 1))
    with pytest.raises(InvalidInput, match="took 50, 51 batches"):
        starts(source(), plan(3, 2), Checkpoint(50, State({}), streams, data=torn.data))
