"""Our estimates against what was published of real machines."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

from wafer_sim.fabric.estimate import estimate
from wafer_sim.fabric.machine import load
from wafer_sim.fabric.published import BERT_LARGE, FC_MNIST_TF, GPT_J, RUNS, U_NET
from wafer_sim.fabric.result import WEIGHT_STREAMING

ROOT = Path(__file__).parents[3]


def test_fc_mnist_lands_between_the_published_figures() -> None:
    """delta_t is between 169 and 464 cycles, with the once-per-batch costs and without."""
    found = estimate(FC_MNIST_TF, load())
    assert 169 <= found.batch.interval <= found.delta_t <= 464


def test_no_estimate_is_below_what_a_machine_really_did_by_more_than_a_tenth() -> None:
    """What was measured on a system is possible, so the estimate may not call it impossible."""
    for run in RUNS:
        if run.measured and run.figure == "samples/s":
            found = estimate(run.work, load(), strategy=run.strategy)
            assert found.samples_per_second * run.systems >= 0.9 * run.value, run


@pytest.mark.parametrize(("work", "parameters"), [(BERT_LARGE, 335e6), (GPT_J, 6.05e9), (FC_MNIST_TF, 545_810)])
def test_the_works_have_as_many_parameters_as_their_models(work, parameters) -> None:
    """Written by hand, but not wrongly: the weights are as many as published."""
    assert sum(kernel.weight_bytes for kernel in work.kernels) / 4 == pytest.approx(parameters, rel=0.1)


def test_the_works_have_as_much_arithmetic_as_their_models() -> None:
    """A U-Net of 32 filters on 256 x 256 pixels takes some 1.4e10 multiply-accumulates, FC-MNIST one a weight."""
    assert sum(kernel.macs for kernel in U_NET.kernels) == pytest.approx(1.37e10, rel=0.1)
    assert sum(kernel.macs for kernel in FC_MNIST_TF.kernels) == 784 * 500 + 500 * 300 + 300 * 10


def test_weight_streaming_takes_what_the_pipeline_refuses() -> None:
    """GPT-J does not fit as a whole; streamed it is nearer to the published rate than a factor of two."""
    found = estimate(GPT_J, load(), strategy=WEIGHT_STREAMING)
    assert 27.5 / 2 < 2 * found.samples_per_second < 27.5 * 2
    assert found.held_bytes <= found.room_bytes
    assert found.batch.micro_batches > 1


def test_the_page_of_estimates_is_what_the_model_gives() -> None:
    """docs/estimates.md was written by the script from the model as it is now."""
    script = runpy.run_path(str(ROOT / "scripts" / "estimates_page.py"))
    assert script["page"]() == (ROOT / "docs" / "estimates.md").read_text()
