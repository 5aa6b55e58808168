"""Learning-rate schedules as data: what `optimizer.learning_rate` in params.yaml may hold."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from wire.errors import InvalidInput, nearest


def _number(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("a number is wanted, not a yes or no")  # noqa: TRY004 - pydantic collects ValueErrors
    return value


Number = Annotated[float, BeforeValidator(_number), Field(allow_inf_nan=False)]
Steps = Annotated[int, BeforeValidator(_number), Field(ge=1)]
Marks = tuple[Annotated[int, BeforeValidator(_number), Field(ge=0)], ...]


class _Schedule(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    @property
    def length(self) -> int | None:
        """Steps until the next schedule of a list takes over; None when it does not say."""
        return getattr(self, "steps", None)


class Constant(_Schedule):
    """The same rate at every step."""

    scheduler: Literal["constant"] = "constant"
    learning_rate: Number
    steps: Steps | None = None


class Exponential(_Schedule):
    """initial * decay_rate ** (step / steps)."""

    scheduler: Literal["exponential"] = "exponential"
    initial_learning_rate: Number
    steps: Steps
    decay_rate: Number
    staircase: bool = False


class PiecewiseConstant(_Schedule):
    """values[i] until step boundaries[i]; one value more than boundaries."""

    scheduler: Literal["piecewiseconstant"] = "piecewiseconstant"
    values: tuple[Number, ...]
    boundaries: Marks
    steps: Steps | None = None

    @model_validator(mode="after")
    def _fits(self) -> PiecewiseConstant:
        if len(self.values) != len(self.boundaries) + 1:
            raise ValueError(f"{len(self.boundaries)} boundaries need {len(self.boundaries) + 1} values")
        if list(self.boundaries) != sorted(set(self.boundaries)):
            raise ValueError("boundaries must rise")
        return self


class Polynomial(_Schedule):
    """From initial to end over `steps`, along (1 - step / steps) ** power.

    cycle: accepted for compatibility; as in release 1.6 it changes nothing, since the end rate holds after `steps`.
    """

    scheduler: Literal["polynomial", "linear"] = "polynomial"
    initial_learning_rate: Number
    end_learning_rate: Number
    steps: Steps
    power: Number = 1.0
    cycle: bool = False

    @model_validator(mode="after")
    def _straight(self) -> Polynomial:
        if self.scheduler == "linear" and self.power != 1.0:
            raise ValueError("a linear schedule has power 1; use Polynomial for another one")
        return self


class InverseExponentialTimeDecay(_Schedule):
    """initial / (1 + decay_rate * step ** step_exponent / steps)."""

    scheduler: Literal["inverseexponentialtimedecay"] = "inverseexponentialtimedecay"
    initial_learning_rate: Number
    step_exponent: Number
    steps: Steps
    decay_rate: Number
    staircase: bool = False


class CosineDecay(_Schedule):
    """Half a cosine from initial to end over `steps`, then end."""

    scheduler: Literal["cosinedecay"] = "cosinedecay"
    initial_learning_rate: Number
    end_learning_rate: Number
    steps: Steps


class CosineAnnealing(_Schedule):
    """A cosine between learning_rate and eta_min with half period t_max, for ever."""

    scheduler: Literal["cosineannealing"] = "cosineannealing"
    learning_rate: Number
    t_max: Steps
    eta_min: Number = 0.0
    steps: Steps | None = None


class Step(_Schedule):
    """learning_rate * gamma ** (step // step_size)."""

    scheduler: Literal["step"] = "step"
    learning_rate: Number
    step_size: Steps
    gamma: Number
    steps: Steps | None = None


class MultiStep(_Schedule):
    """learning_rate times gamma for each milestone reached."""

    scheduler: Literal["multistep"] = "multistep"
    learning_rate: Number
    gamma: Number
    milestones: Marks
    steps: Steps | None = None


Schedule = Annotated[
    Constant
    | Exponential
    | PiecewiseConstant
    | Polynomial
    | InverseExponentialTimeDecay
    | CosineDecay
    | CosineAnnealing
    | Step
    | MultiStep,
    Field(discriminator="scheduler"),
]

_CLASSES: dict[str, type[_Schedule]] = {
    "Constant": Constant,
    "Exponential": Exponential,
    "PiecewiseConstant": PiecewiseConstant,
    "Polynomial": Polynomial,
    "Linear": Polynomial,
    "InverseExponentialTimeDecay": InverseExponentialTimeDecay,
    "CosineDecay": CosineDecay,
    "CosineAnnealing": CosineAnnealing,
    "Step": Step,
    "MultiStep": MultiStep,
}
_BY_NAME = {name.lower(): cls for name, cls in _CLASSES.items()}


def normalise(rate: Any, where: str) -> list[dict[str, Any]]:
    """`learning_rate` of params (a number, a numeric string, a schedule or a list of them) as a list of schedules.

    Scheduler names may be in any case; `decay_steps` and `steps` are the same key. Raises InvalidInput for an unknown
    scheduler or key, and for a list in which a schedule that is not the last does not say its steps.
    """
    if not isinstance(rate, list | tuple):
        return [_one(rate, where)]
    if not rate:
        raise InvalidInput("a list of schedules is empty", where=where, fix="write a number or a schedule")
    schedules = [_one(part, f"{where}[{i}]") for i, part in enumerate(rate)]
    for i, schedule in enumerate(schedules[:-1]):
        if schedule.get("steps") is None:
            raise InvalidInput(
                "a schedule that another one follows must say for how long it holds",
                where=f"{where}[{i}]",
                fix="add 'steps' to it",
            )
    return schedules


def _one(rate: Any, where: str) -> dict[str, Any]:
    if not isinstance(rate, dict):
        return {"scheduler": "constant", "learning_rate": rate}
    given = dict(rate)
    name = str(given.pop("scheduler", ""))
    if name.lower() == "lambda":
        raise InvalidInput(
            "a Lambda schedule is code, and code does not travel to the wafer",
            where=f"{where}.scheduler",
            fix="write it as a list of other schedules, PiecewiseConstant for instance",
        )
    if name.lower() not in _BY_NAME:
        what = f"{name!r} is no learning-rate scheduler" if name else "a schedule has no 'scheduler'"
        raise InvalidInput(what, where=f"{where}.scheduler", fix=_nearest_scheduler(name))
    return {"scheduler": name.lower(), **_keys(given, name.lower(), where)}


def _nearest_scheduler(name: str) -> str:
    close = nearest(name.lower(), tuple(_BY_NAME))
    said = (
        close.replace(known.lower(), known) for known in _CLASSES if close == nearest(known.lower(), tuple(_BY_NAME))
    )
    return next(said, nearest("", tuple(_CLASSES)))


def _keys(given: dict[str, Any], name: str, where: str) -> dict[str, Any]:
    if "decay_steps" in given:
        if given.get("steps", given["decay_steps"]) != given["decay_steps"]:
            raise InvalidInput("'steps' and 'decay_steps' are the same key and differ", where=where, fix="keep one")
        given["steps"] = given.pop("decay_steps")
    known = tuple(key for key in _BY_NAME[name].model_fields if key != "scheduler")
    for key in given:
        if key not in known:
            raise InvalidInput(f"unknown key {key!r}", where=f"{where}.{key}", fix=nearest(str(key), known))
    return given
