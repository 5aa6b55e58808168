"""Learning-rate schedules."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wafer_sim.compiler.training import OptimizerSpec
from wafer_sim.runtime.schedules import Rate, learning_rate


def rate(schedule: Any, **more: Any) -> Rate:
    """The rate of a `learning_rate` as params hold it."""
    spec = OptimizerSpec.from_params({"optimizer_type": "sgd", "learning_rate": schedule, **more})
    return learning_rate(spec.learning_rate, keep_counting=spec.disable_lr_steps_reset)


LINE = {"initial_learning_rate": 1.0, "end_learning_rate": 0.1}


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        (0.3, {0: 0.3, 10**6: 0.3}),
        ("1e-5", {0: 1e-5}),
        ({"scheduler": "Constant", "learning_rate": 0.2}, {7: 0.2}),
        (
            {"scheduler": "Exponential", "initial_learning_rate": 1, "decay_steps": 10, "decay_rate": 0.5},
            {0: 1, 5: math.sqrt(0.5), 10: 0.5, 20: 0.25},
        ),
        (
            {
                "scheduler": "exponential",
                "initial_learning_rate": 1,
                "steps": 10,
                "decay_rate": 0.5,
                "staircase": True,
            },
            {9: 1, 10: 0.5, 19: 0.5},
        ),
        (
            {"scheduler": "PiecewiseConstant", "values": [3, 2, 1], "boundaries": [5, 9]},
            {0: 3, 4: 3, 5: 2, 8: 2, 9: 1, 99: 1},
        ),
        ({"scheduler": "Linear", **LINE, "steps": 10}, {0: 1, 5: 0.55, 10: 0.1, 11: 0.1}),
        ({"scheduler": "Polynomial", **LINE, "decay_steps": 10, "power": 2}, {0: 1, 5: 0.325, 10: 0.1}),
        (
            {
                "scheduler": "InverseExponentialTimeDecay",
                "initial_learning_rate": 1,
                "step_exponent": 2,
                "decay_steps": 4,
                "decay_rate": 0.5,
            },
            {0: 1, 2: 1 / 1.5, 4: 1 / 3},
        ),
        ({"scheduler": "CosineDecay", **LINE, "decay_steps": 10}, {0: 1, 5: 0.55, 10: 0.1, 15: 0.1}),
        (
            {"scheduler": "CosineAnnealing", "learning_rate": 1, "t_max": 10, "eta_min": 0.1},
            {0: 1, 5: 0.55, 10: 0.1, 20: 1},
        ),
        ({"scheduler": "Step", "learning_rate": 1, "step_size": 3, "gamma": 0.1}, {2: 1, 3: 0.1, 6: 0.01}),
        (
            {"scheduler": "MultiStep", "learning_rate": 1, "gamma": 0.5, "milestones": [2, 5]},
            {1: 1, 2: 0.5, 4: 0.5, 5: 0.25},
        ),
    ],
)
def test_schedules_by_the_formulas_of_release_1_6(schedule: Any, expected: dict[int, float]) -> None:
    """Every scheduler at its corners and between them."""
    for step, value in expected.items():
        assert rate(schedule)(step) == pytest.approx(value)


WARM_UP = [
    {"scheduler": "Linear", "initial_learning_rate": 0.0, "end_learning_rate": 1.0, "steps": 4},
    {"scheduler": "Exponential", "initial_learning_rate": 1.0, "decay_steps": 2, "decay_rate": 0.5},
]


def test_a_list_counts_each_schedule_from_its_own_start() -> None:
    """The second schedule's step 0 is the step at which it takes over."""
    assert [rate(WARM_UP)(step) for step in (0, 2, 4, 6, 8)] == pytest.approx([0, 0.5, 1, 0.5, 0.25])


def test_disable_lr_steps_reset_keeps_counting() -> None:
    """With disable_lr_steps_reset the second schedule sees the steps of the whole run."""
    assert rate(WARM_UP, disable_lr_steps_reset=True)(4) == pytest.approx(0.25)


@given(step=st.integers(0, 10**7))
def test_decays_stay_between_their_ends(step: int) -> None:
    """No step takes a decay out of [end, initial]."""
    for name in ("Linear", "CosineDecay"):
        value = rate({"scheduler": name, **LINE, "steps": 1000})(step)
        assert value + 1e-12 >= 0.1
        assert value <= 1.0
