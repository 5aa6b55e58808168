"""`cerebras.framework.torch.optim.lr_scheduler`: schedules that the system computes at each step.

Each says itself to its optimizer, in the order in which they are made: several follow each other.
"""

from __future__ import annotations

from typing import Any

from compat.pytorch.optimizers import Optimizer
from wire.errors import Refused


class Scheduler:
    """A schedule as the params of today write it. `keys` name the arguments of the class, in order."""

    name = ""
    keys: tuple[str, ...] = ()

    def __init__(self, optimizer: Optimizer, *values: Any, **named: Any) -> None:
        given = dict(zip((*self.keys, "disable_lr_steps_reset"), values, strict=False)) | named
        keep_counting = bool(given.pop("disable_lr_steps_reset", False))
        said = {_TODAY.get((self.name, key), key): value for key, value in given.items() if value is not None}
        self.section: dict[str, Any] = {"scheduler": self.name, **said}
        optimizer.follow(self.section, keep_counting)


_INITIAL = ("Polynomial", "Exponential", "InverseExponentialTimeDecay", "CosineDecay")
_TODAY: dict[tuple[str, str], str] = {
    **{(name, "learning_rate"): "initial_learning_rate" for name in _INITIAL},
    ("Constant", "val"): "learning_rate",
    ("CosineAnnealing", "T_max"): "t_max",
}
_DECAY = ("learning_rate", "decay_steps", "decay_rate", "staircase")


class Constant(Scheduler):
    """One rate."""

    name, keys = "Constant", ("val", "decay_steps")


class Polynomial(Scheduler):
    """From one rate to another."""

    name, keys = "Polynomial", ("learning_rate", "end_learning_rate", "decay_steps", "power", "cycle")


class Exponential(Scheduler):
    """Times decay_rate every decay_steps."""

    name, keys = "Exponential", _DECAY


class InverseExponentialTimeDecay(Scheduler):
    """Divided by a power of the step."""

    name = "InverseExponentialTimeDecay"
    keys = ("learning_rate", "step_exponent", "decay_steps", "decay_rate", "staircase")


class CosineDecay(Scheduler):
    """Half a cosine."""

    name, keys = "CosineDecay", ("learning_rate", "end_learning_rate", "decay_steps")


class CosineAnnealing(Scheduler):
    """A cosine for ever."""

    name, keys = "CosineAnnealing", ("learning_rate", "T_max", "eta_min")


class Step(Scheduler):
    """Times gamma every step_size."""

    name, keys = "Step", ("learning_rate", "gamma", "step_size")


class MultiStep(Scheduler):
    """Times gamma at milestones."""

    name, keys = "MultiStep", ("learning_rate", "gamma", "milestones")


class Lambda(Scheduler):
    """Raises Refused: code does not travel to the system."""

    def __init__(self, optimizer: Optimizer, *_: Any, **__: Any) -> None:
        what = "a Lambda schedule is code, and code does not travel to the system"
        raise Refused(what, where="optimizer.learning_rate", fix="write it as a list of other schedules")


__all__ = [
    "Constant",
    "CosineAnnealing",
    "CosineDecay",
    "Exponential",
    "InverseExponentialTimeDecay",
    "Lambda",
    "MultiStep",
    "Polynomial",
    "Step",
]
