"""The door: what binds, what is refused, and what once-per-batch work costs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.wafer_sim.fabric.works import chain, kernel
from wafer_sim.fabric.artefacts import report
from wafer_sim.fabric.cost import COMPUTE, FABRIC, INPUT, MEMORY
from wafer_sim.fabric.estimate import estimate
from wafer_sim.fabric.machine import load
from wafer_sim.fabric.page import page
from wafer_sim.fabric.published import FC_MNIST_TF, GPT_J
from wafer_sim.fabric.result import WEIGHT_STREAMING
from wafer_sim.fabric.streaming import LINK
from wafer_sim.fabric.work import INFERENCE, TRAINING, Work
from wire.errors import Exhausted, InvalidInput, Refused

SMALL = load("small")


@pytest.mark.parametrize("strategy", ["pipeline", "weight_streaming"])
def test_samples_per_second_are_clock_over_delta_t(strategy: str) -> None:
    """The relation that CSoft's performance.json has holds in both strategies."""
    found = estimate(FC_MNIST_TF, load(), strategy=strategy)
    assert found.samples_per_second == pytest.approx(found.clock_hertz / found.delta_t)
    assert found.clock_hertz / found.delta_t * found.batch.cycles == pytest.approx(found.batch.size * 850e6)


def test_each_resource_binds_where_it_is_scarce() -> None:
    """Compute, SRAM, links and the input each become the limit when they are made slow."""
    work = chain(3, macs=100_000, backward_macs=200_000)
    assert estimate(work, SMALL).bound == COMPUTE
    assert estimate(work, replace(SMALL, sram_bytes_per_cycle=1.0)).bound == MEMORY
    assert estimate(work, replace(SMALL, link_bytes=0.01)).bound == FABRIC
    assert estimate(work, replace(SMALL, bytes_per_second=1_000.0)).bound == INPUT
    slow = estimate(work, replace(SMALL, bytes_per_second=1_000.0))
    assert slow.samples_per_second == slow.transmission_samples_per_second == 1_000.0 / work.input_bytes


def test_the_link_binds_in_weight_streaming_where_it_is_slow() -> None:
    """With a slow link, weights take longer to come than layers to work."""
    slow = replace(SMALL, bytes_per_second=10_000.0)
    found = estimate(replace(chain(3), input_bytes=1), slow, strategy=WEIGHT_STREAMING)
    assert found.bound == LINK
    assert found.samples_per_second < estimate(chain(3), SMALL, strategy=WEIGHT_STREAMING).samples_per_second


def test_update_and_all_reduce_are_paid_once_per_batch() -> None:
    """A larger batch spreads fill, update and all-reduce over more samples; a batch of replicas pays a reduction."""
    few, many = (estimate(chain(3, batch_size=size), SMALL, replicas=2) for size in (8, 800))
    assert few.batch.reduce > 0
    assert few.batch.update > 0
    assert few.delta_t > many.delta_t
    assert estimate(chain(3), SMALL).batch.reduce == 0
    assert many.delta_t == pytest.approx(many.batch.interval / 2, rel=0.3)


def test_inference_pays_nothing_once_per_batch() -> None:
    """Samples follow each other without a gap when no weights change."""
    found = estimate(chain(3, mode=INFERENCE, backward_macs=0, backward_other=0), SMALL)
    assert found.delta_t == pytest.approx(found.batch.interval)


def test_a_model_too_large_is_refused_with_what_would_do() -> None:
    """By how much, which layers, and that weight streaming would do."""
    with pytest.raises(Exhausted) as caught:
        estimate(GPT_J, load())
    assert "73,999.6 MiB too much" in caught.value.what
    assert "embedding (3,278.0 MiB)" in caught.value.where
    assert "weight_streaming would do" in caught.value.fix


def test_what_does_not_fit_either_way_says_so() -> None:
    """One sample that is larger than the wafer fits in no strategy; the user's line is named."""
    huge = kernel("huge", kept_bytes=10**9, bytes_in=10**9, source="model.py:41")
    work = Work((huge,), TRAINING, 4, 100)
    with pytest.raises(Exhausted, match="weight streaming would not do either") as caught:
        estimate(work, SMALL)
    assert "model.py:41" in caught.value.where
    with pytest.raises(Exhausted, match="too much"):
        estimate(work, SMALL, strategy=WEIGHT_STREAMING)


def test_too_many_replicas_are_refused_with_the_way_out() -> None:
    """More replicas than fit: fewer would."""
    with pytest.raises(Exhausted, match="use fewer replicas"):
        estimate(chain(3, weight_bytes=400_000), SMALL, replicas=40)


@pytest.mark.parametrize(
    ("options", "kind"),
    [
        ({"strategy": "pipelin"}, InvalidInput),
        ({"replicas": 0}, InvalidInput),
        ({"strategy": WEIGHT_STREAMING, "replicas": 2}, Refused),
        ({"replicas": 3, "global_batch": 32}, Refused),
    ],
)
def test_what_cannot_be_asked_is_refused(options: dict[str, object], kind: type[Exception]) -> None:
    """Wrong strategies, counts and shares are the user's to mend."""
    with pytest.raises(kind):
        estimate(chain(2), SMALL, **options)


@pytest.mark.parametrize("strategy", ["pipeline", "weight_streaming"])
def test_a_work_that_does_nothing_takes_a_cycle_a_sample(strategy: str) -> None:
    """Kernels without arithmetic, weights or input have a place and a rate all the same."""
    nothing = dict.fromkeys(("macs", "other", "backward_macs", "backward_other", "weight_bytes", "optimizer_bytes"), 0)
    work = replace(chain(2, update=0, **nothing), input_bytes=0)
    found = estimate(work, SMALL, strategy=strategy)
    assert found.batch.interval == 1.0
    assert "k1" in report(found)
    assert "k1" in page(found)


def test_an_empty_work_and_an_unknown_precision_are_refused() -> None:
    """Nothing to place, and arithmetic that the machine has not."""
    with pytest.raises(InvalidInput, match="a kernel"):
        estimate(Work((), TRAINING, 1, 1), SMALL)
    with pytest.raises(InvalidInput, match="int4"):
        estimate(replace(chain(1), precision="int4"), SMALL)


def test_replicas_are_made_while_they_help_and_no_more() -> None:
    """FC-MNIST gets as many replicas as take all that the link brings; one fewer would not."""
    found = estimate(FC_MNIST_TF, load(), replicas=None)
    assert found.bound == INPUT
    assert found.replicas > 10
    assert estimate(FC_MNIST_TF, load(), replicas=found.replicas - 1).bound != INPUT


def test_a_batch_is_shared_by_replicas_that_divide_it() -> None:
    """With a global batch, each replica has its share, and the count divides it."""
    found = estimate(FC_MNIST_TF, load(), replicas=None, global_batch=256)
    assert found.batch.size * found.replicas == 256
    assert estimate(chain(2), SMALL, replicas=2, global_batch=32).batch.size == 16


def test_workers_are_enough_for_the_rate_and_for_the_replicas() -> None:
    """Estimated rate over a worker's rate, rounded up; at least one worker per replica."""
    found = estimate(FC_MNIST_TF, load())
    assert found.workers(100_000.0) == 19
    assert found.workers(1e9) == 1
    assert estimate(FC_MNIST_TF, load(), replicas=2).workers(1e9) == 2
