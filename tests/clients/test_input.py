"""A loader as the wafer's input: streams, replicas, sizes of batches."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch

from clients.input import LoaderInput, eval_plan, streams_of, train_plan
from clients.sections import RunConfig
from wire.elements import ElementSpec
from wire.errors import InvalidInput


def source(rows: int | None = 1000, batch_size: int = 32, drop_last: bool = True) -> LoaderInput:
    return LoaderInput(ElementSpec(()), batch_size, rows, True, drop_last, "", "rows")


def test_training_wants_full_batches_that_its_replicas_can_share() -> None:
    """A partial batch, a batch that does not divide and an empty epoch are refused with the key to change."""
    with pytest.raises(InvalidInput, match="batches of one size"):
        train_plan(source(drop_last=False), RunConfig(), 1)
    with pytest.raises(InvalidInput, match="cannot be split among 3"):
        train_plan(source(), RunConfig(), 3)
    with pytest.raises(InvalidInput, match="no full batch"):
        train_plan(source(rows=31), RunConfig(), 1)


def test_the_plans_of_training_and_evaluation() -> None:
    """Training goes on for ever in full batches; evaluation takes the set once, its last batch included."""
    train, evaluation = train_plan(source(), RunConfig(seed=7), 2), eval_plan(source(drop_last=False), RunConfig())
    assert (train.replicas, train.epochs, train.drop_remainder, train.seed) == (2, 0, True, 7)
    assert (evaluation.replicas, evaluation.epochs, evaluation.drop_remainder) == (1, 1, False)


@pytest.mark.parametrize(
    ("config", "replicas", "steps", "streams"),
    [({}, 1, 100, 4), ({}, 6, 100, 6), ({"num_workers": 9}, 1, 100, 9), ({}, 1, 2, 2), ({"num_streams": 7}, 1, 7, 7)],
)
def test_streams_of_a_run(config: dict[str, int], replicas: int, steps: int, streams: int) -> None:
    """Enough for replicas and workers, no more than an epoch has batches, and always what the user says."""
    assert streams_of(RunConfig(**config), replicas, steps) == streams


def test_no_worker_of_a_launcher_is_idle() -> None:
    """There is a stream for each, unless the user says how many streams, or an epoch has no more batches."""
    assert streams_of(RunConfig(), 1, 100, launched=7) == 7
    assert streams_of(RunConfig(num_streams=2), 1, 100, launched=7) == 2
    assert streams_of(RunConfig(), 1, 5, launched=7) == 5


def test_more_streams_than_batches_are_refused_in_training() -> None:
    """Some would have no batch in an epoch; an evaluation, for which it was not chosen, takes fewer."""
    with pytest.raises(InvalidInput, match=r"9 streams are more than an epoch has batches \(8\)"):
        streams_of(RunConfig(num_streams=9), 2, 4)
    few = source(rows=65, drop_last=False)
    assert eval_plan(few, RunConfig(num_streams=9)).streams == -(-65 // few.batch_size)


def test_fewer_streams_than_replicas_are_refused() -> None:
    """Each replica needs a stream of its own."""
    with pytest.raises(InvalidInput, match="cannot feed 2 replicas"):
        streams_of(RunConfig(num_streams=1), 2, None)


def test_the_sizes_of_an_evaluations_batches() -> None:
    """Known from rows where they are known, else by walking; an endless loader is walked for eval_steps only."""
    assert source(rows=100, drop_last=False).batch_sizes([]) == [32, 4]
    assert source(rows=100).batch_sizes([]) == [32]
    assert source(rows=20, drop_last=False).batch_sizes([]) == [20]
    endless: Any = itertools.cycle([{"x": torch.zeros(3)}, {"x": torch.zeros(2)}])
    assert source(rows=None).batch_sizes(endless, 5) == [2, 3]
    with pytest.raises(InvalidInput, match="no batch"):
        source(rows=None).batch_sizes([])
