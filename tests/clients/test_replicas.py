"""How many replicas a run has."""

from __future__ import annotations

from typing import Any

import pytest

from clients.replicas import is_open, replicas_of, sentence, simulated
from clients.sections import RunConfig
from wafer_sim.fabric.estimate import estimate
from wafer_sim.fabric.machine import load
from wafer_sim.fabric.published import FC_MNIST_TF
from wafer_sim.fabric.result import Estimate

WAFER = estimate(FC_MNIST_TF, load(), replicas=None, global_batch=256)
FIT, BOUND = "64 fit on the wafer and help", "runconfig.max_simulated_replicas"
STREAMED = "weight streaming has one, as each layer takes the whole wafer"


def test_replicas_are_for_training_on_request() -> None:
    """Without --multireplica, and where the model does not allow more, there is one; a number is taken as it is."""
    asked, five = RunConfig(multireplica=True), RunConfig(multireplica=True, num_replicas=5)
    assert replicas_of(RunConfig(), 256, allowed=True) == replicas_of(asked, 256, allowed=False) == 1
    assert replicas_of(five, 256, allowed=True, given=2) == 5
    assert replicas_of(asked, 256, allowed=True) == 2
    assert replicas_of(asked, 256, allowed=True, given=64) == 64
    assert is_open(asked, allowed=True)
    assert not any((is_open(asked, allowed=False), is_open(five, allowed=True), is_open(RunConfig(), allowed=True)))


@pytest.mark.parametrize(
    ("config", "batch_size", "most", "count"),
    [
        ({}, 256, None, 2),
        ({}, 255, None, 1),
        ({"max_simulated_replicas": 7}, 256, None, 4),
        ({"max_simulated_replicas": 7}, 15, None, 5),
        ({"max_simulated_replicas": 7, "num_streams": 3}, 256, 64, 2),
        ({"max_simulated_replicas": 7}, 256, 1, 1),
    ],
)
def test_as_many_are_simulated_as_may_be_and_share_a_batch(
    config: dict[str, int], batch_size: int, most: int | None, count: int
) -> None:
    """The bound, the streams that the user gave and what the wafer has are never passed; each has an equal share."""
    assert simulated(RunConfig(**config), batch_size, most) == count


@pytest.mark.parametrize(
    ("config", "count", "made", "kept", "said"),
    [
        ({}, 2, WAFER, None, f"{FIT}; this run simulates 2 ({BOUND}: 2)"),
        ({"num_streams": 1}, 1, WAFER, None, f"{FIT}; this run simulates 1 (runconfig.num_streams: 1)"),
        ({"max_simulated_replicas": 64}, 64, WAFER, None, FIT),
        ({}, 4, WAFER, 4, f"{FIT}; this run has 4, as its checkpoint"),
        ({}, 2, None, None, f"how many would help on the wafer is not known; this run simulates 2 ({BOUND}: 2)"),
        ({"execution_strategy": "weight_streaming"}, 1, WAFER, None, STREAMED),
    ],
)
def test_what_was_chosen_is_said_in_a_line(
    config: dict[str, Any], count: int, made: Estimate | None, kept: int | None, said: str
) -> None:
    """What the wafer would have, what the run has, and why it has less."""
    assert sentence(RunConfig(**config), count, made, kept) == said
