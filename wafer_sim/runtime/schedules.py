"""Step -> learning rate: every schedule as a pure function.

`step` counts the weight updates made before the one that the rate is for, so the first update has step 0.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Sequence
from itertools import accumulate

from wafer_sim.compiler import schedule as spec

Rate = Callable[[int], float]


def learning_rate(schedules: Sequence[spec.Schedule], *, keep_counting: bool = False) -> Rate:
    """The rate at each step of schedules that follow one another.

    Each counts its steps from its own start; with `keep_counting` (disable_lr_steps_reset) all count from the run's.
    """
    rates = [rate_of(schedule) for schedule in schedules]
    starts = [0, *accumulate(schedule.length or 0 for schedule in schedules[:-1])]

    def rate(step: int) -> float:
        at = bisect_right(starts, step) - 1
        return rates[at](step if keep_counting else step - starts[at])

    return rate


def rate_of(schedule: spec.Schedule) -> Rate:  # noqa: PLR0911 - one line per kind of schedule
    """The rate at each step of one schedule."""
    match schedule:
        case spec.Constant():
            return lambda _: schedule.learning_rate
        case spec.Exponential():
            return lambda step: _exponential(step, schedule)
        case spec.PiecewiseConstant():
            return lambda step: schedule.values[bisect_right(schedule.boundaries, step)]
        case spec.Polynomial():
            return lambda step: _polynomial(step, schedule)
        case spec.InverseExponentialTimeDecay():
            return lambda step: _inverse(step, schedule)
        case spec.CosineDecay():
            return lambda step: _cosine(
                min(step, schedule.steps), schedule.steps, schedule.initial_learning_rate, schedule.end_learning_rate
            )
        case spec.CosineAnnealing():
            return lambda step: _cosine(step, schedule.t_max, schedule.learning_rate, schedule.eta_min)
        case spec.Step():
            return lambda step: schedule.learning_rate * schedule.gamma ** (step // schedule.step_size)
        case spec.MultiStep():
            milestones = sorted(schedule.milestones)
            return lambda step: schedule.learning_rate * schedule.gamma ** bisect_right(milestones, step)


def _exponential(step: int, schedule: spec.Exponential) -> float:
    part = step // schedule.steps if schedule.staircase else step / schedule.steps
    return float(schedule.initial_learning_rate * schedule.decay_rate**part)


def _polynomial(step: int, schedule: spec.Polynomial) -> float:
    left = math.pow(1 - step / schedule.steps, schedule.power) if step < schedule.steps else 0.0
    return schedule.end_learning_rate + (schedule.initial_learning_rate - schedule.end_learning_rate) * left


def _inverse(step: int, schedule: spec.InverseExponentialTimeDecay) -> float:
    part = math.pow(step, schedule.step_exponent) / schedule.steps
    counted = math.floor(part) if schedule.staircase else part
    return schedule.initial_learning_rate / (1 + schedule.decay_rate * counted)


def _cosine(step: int, half_period: int, first: float, last: float) -> float:
    return last + (first - last) * (1 + math.cos(math.pi * step / half_period)) / 2
