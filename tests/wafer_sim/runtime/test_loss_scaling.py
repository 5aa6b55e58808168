"""Loss scaling as a state machine: what any course of good and bad steps does to it."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wafer_sim.compiler.training import OptimizerSpec
from wafer_sim.runtime.loss_scaling import LossScale, LossScaling
from wire.errors import InvalidInput


def rules(**keys: object) -> LossScaling:
    """The rules of an optimizer section with these keys; dynamic where none says otherwise."""
    section = {"optimizer_type": "sgd", "learning_rate": 1, "loss_scaling_factor": "dynamic", **keys}
    found = LossScaling.of(OptimizerSpec.from_params(section))
    assert found is not None
    return found


def course(scaling: LossScaling, steps: list[bool], state: LossScale | None = None) -> LossScale:
    """Where a course of steps ends; True is one that overflowed."""
    state = state or scaling.begin()
    for overflow in steps:
        state = scaling.after(state, overflow)
    return state


STEPS = st.lists(st.booleans(), max_size=40)
RULES = st.builds(
    lambda every, low, high, first: rules(
        steps_per_increase=every, min_loss_scale=2.0**-low, max_loss_scale=2.0**high, initial_loss_scale=2.0**first
    ),
    st.integers(1, 5),
    st.integers(0, 14),
    st.integers(0, 20),
    st.integers(-20, 30),
)


@given(RULES, STEPS)
def test_bad_steps_are_counted_and_the_scale_stays_within_bounds(scaling: LossScaling, steps: list[bool]) -> None:
    """Whatever happens: skipped is the number of bad steps, and the scale is a power of two between the bounds."""
    end = course(scaling, steps)
    assert end.skipped == sum(steps)
    assert scaling.least <= end.scale <= scaling.most
    assert math.frexp(end.scale)[0] == 0.5
    assert 0 <= end.good_steps < scaling.every


@given(RULES, STEPS, STEPS)
def test_a_checkpoint_in_the_middle_changes_nothing(
    scaling: LossScaling, before: list[bool], after: list[bool]
) -> None:
    """Kept as scalars and begun again from them, it goes on as if it had not been interrupted."""
    kept = scaling.begin(course(scaling, before).scalars())
    assert course(scaling, after, kept) == course(scaling, before + after)


def test_it_grows_after_good_steps_in_a_row_and_backs_off_at_a_bad_one() -> None:
    """Three good steps double, a bad one halves and begins to count anew."""
    scaling = rules(steps_per_increase=3, initial_loss_scale=8)
    assert course(scaling, [False] * 3) == LossScale(16.0, 0, 0)
    assert course(scaling, [False, False, True]) == LossScale(4.0, 0, 1)
    assert course(scaling, [False, False, True, False, False]) == LossScale(4.0, 2, 1)


def test_a_static_scale_stays_and_counts_bad_steps() -> None:
    """128 stays 128; of a dynamic run before it only the count is kept."""
    scaling = rules(loss_scaling_factor=128.0)
    assert course(scaling, [False, True, False]) == LossScale(128.0, 0, 1)
    assert scaling.begin(LossScale(4.0, 2, 7).scalars()) == LossScale(128.0, 0, 7)


def test_a_factor_of_one_asks_for_nothing() -> None:
    """1.0 is the default, and no gradient is looked at."""
    section = {"optimizer_type": "sgd", "learning_rate": 1}
    assert LossScaling.of(OptimizerSpec.from_params(section)) is None
    assert LossScaling.of(OptimizerSpec.from_params({**section, "loss_scaling_factor": 1})) is None


def test_the_defaults_are_the_ones_of_the_documents() -> None:
    """A key without a value counts as left out."""
    assert rules(initial_loss_scale=None, min_loss_scale=None) == LossScaling(True, 2.0**15, 2000, 2.0**-14, 2.0**15)


def test_bounds_the_wrong_way_round_are_refused() -> None:
    """The error names both."""
    with pytest.raises(InvalidInput, match=r"min_loss_scale 8\.0 is above max_loss_scale 4\.0"):
        rules(min_loss_scale=8, max_loss_scale=4)
