"""An optimizer that changes one parameter at a time: what all gradients decide together."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from wafer_sim.compiler.training import OptimizerSpec
from wafer_sim.runtime.layerwise import LayerwiseOptimizer, Together, needs_all
from wafer_sim.runtime.loss_scaling import LossScale

SCALED = {"loss_scaling_factor": "dynamic", "initial_loss_scale": 8.0}


def opened(**optimizer: Any) -> tuple[LayerwiseOptimizer, dict[str, Tensor]]:
    named = {"first": torch.ones(3, 2), "second": torch.ones(2)}
    spec = OptimizerSpec.from_params({"optimizer_type": "sgd", "learning_rate": 1.0, "momentum": 0.0, **optimizer})
    return LayerwiseOptimizer(spec, named, lambda _, value: value), named


def gradients(second: float) -> dict[str, Tensor]:
    return {"first": torch.full((3, 2), 4.0), "second": torch.full((2,), second)}


@pytest.mark.parametrize("bad", [float("inf"), float("nan")])
def test_one_gradient_that_is_not_finite_skips_the_step_of_all(bad: float) -> None:
    """The first parameter's gradient is good, and the answer for it is no as well; the scale halves once."""
    optimizer, _ = opened(**SCALED)
    assert optimizer.together(gradients(bad).items()) is None
    assert optimizer.loss_scale == LossScale(4.0, 0, 1)


def test_gradients_stay_as_they_are_until_they_are_applied() -> None:
    """They may wait outside and be looked at again; then the scale is taken out of them, once."""
    optimizer, named = opened(**SCALED)
    found = gradients(8.0)
    together = optimizer.together(found.items())
    assert together == Together(8.0)
    assert torch.equal(found["first"], torch.full((3, 2), 4.0))
    assert optimizer.loss_scale == LossScale(8.0, 1, 0)
    with torch.inference_mode():
        optimizer.apply("first", found["first"], 0, together)
        optimizer.apply("second", found["second"], 0, together)
    assert torch.equal(named["first"], torch.full((3, 2), 0.5))
    assert torch.equal(named["second"], torch.zeros(2))


def test_the_norm_is_of_the_gradients_without_the_scale() -> None:
    """As clipping takes it in the other mode."""
    optimizer, _ = opened(**SCALED, max_gradient_norm=1.0)
    together = optimizer.together(gradients(8.0).items())
    assert together is not None
    assert together.norm is not None
    assert together.norm.item() == pytest.approx((6 * 0.5**2 + 2) ** 0.5)


@pytest.mark.parametrize(
    ("keys", "wanted"),
    [
        ({}, False),
        ({"max_gradient_value": 1.0}, False),
        ({"max_gradient_norm": 1.0}, True),
        ({"loss_scaling_factor": 4.0}, True),
        ({"loss_scaling_factor": "dynamic"}, True),
    ],
)
def test_who_needs_all_gradients_before_the_first_update(keys: dict[str, Any], wanted: bool) -> None:
    """Clipping by the norm, and loss scaling of either kind, which may skip the step."""
    assert needs_all(opened(**keys)[0].spec) == wanted
