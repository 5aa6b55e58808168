"""How a program is trained, as data: the `optimizer` section of params.yaml."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from wafer_sim.compiler.schedule import Number, Schedule, Steps, normalise
from wire.errors import InvalidInput, nearest

OptimizerType = Literal[
    "sgd",
    "adam",
    "adamw",
    "adamax",
    "adadelta",
    "adafactor",
    "adagrad",
    "asgd",
    "lamb",
    "nadam",
    "radam",
    "rmsprop",
    "rprop",
]
Value = bool | float | None

_ADAM: dict[str, Value] = {"beta1": 0.9, "beta2": 0.999, "eps": 1e-6}

HYPER_PARAMETERS: dict[str, dict[str, Value]] = {
    "sgd": {"momentum": 0.0, "use_nesterov": False},
    "adam": {**_ADAM, "amsgrad": False},
    "adamw": {**_ADAM, "amsgrad": False, "correct_bias": False},
    "adamax": {**_ADAM, "maximize": False},
    "adadelta": {"rho": 0.9, "eps": 1e-6},
    "adafactor": {
        "eps1": 1e-30,
        "eps2": 1e-3,
        "clip_threshold": 1.0,
        "decay_rate": -0.8,
        "beta1": None,
        "scale_parameter": True,
        "relative_step": False,
        "warmup_init": False,
    },
    "adagrad": {"lr_decay": 0.0, "initial_accumulator_value": 0.0, "eps": 1e-6, "maximize": False},
    "asgd": {"lambd": 1e-4, "alpha": 0.75, "t0": 1e-6, "maximize": False},
    "lamb": {**_ADAM, "adam": False},
    "nadam": {**_ADAM, "momentum_decay": 4e-3},
    "radam": dict(_ADAM),
    "rmsprop": {"alpha": 0.99, "momentum": 0.0, "centered": False, "eps": 1e-6},
    "rprop": {"eta1": 0.5, "eta2": 1.2, "step_size_min": 1e-6, "step_size_max": 50.0},
}
"""The keys each optimizer takes, with the defaults of release 1.6."""

_FIXED: dict[str, Value] = {
    "clip_threshold": 1.0,
    "beta1": None,
    "scale_parameter": True,
    "relative_step": False,
    "warmup_init": False,
}
_ALIASES = {"epsilon": "eps", "weight_decay": "weight_decay_rate", "nesterov": "use_nesterov"}
_FRACTIONS = ("beta1", "beta2", "rho")

NO_DECAY = ("bias", "LayerNorm.bias", "LayerNorm.weight", "BatchNorm.bias", "BatchNorm.weight")


def _any_number(value: Any) -> Any:
    if isinstance(value, str):
        return float(value)
    return value


def _or(default: float) -> Callable[[Any], Any]:
    """A key that is there without a value counts as left out."""
    return lambda value: default if value is None else value


class OptimizerSpec(BaseModel):
    """An optimizer, its hyper-parameters and its learning rate.

    hyper: the keys of HYPER_PARAMETERS for this type, all of them. exclude_from_weight_decay: a parameter whose name
    contains one of these is not decayed; neither is one of fewer than two dimensions (biases and the weights of norms).
    loss_scaling_factor: 1.0 leaves the loss as it is; another number multiplies it before gradients are taken, which
    are divided by it again; "dynamic" starts at initial_loss_scale, doubles after steps_per_increase good steps in a
    row and halves at a bad one, between min_loss_scale and max_loss_scale. With either, a step with a gradient that is
    infinite or no number is skipped and counted. The four bounds say nothing where the factor is a number.
    max_gradient_norm, max_gradient_value: at most one of them; 0 or None clips nothing.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    optimizer_type: OptimizerType
    learning_rate: tuple[Schedule, ...] = Field(min_length=1)
    hyper: Mapping[str, Annotated[Value, BeforeValidator(_any_number)]] = Field(default_factory=dict)
    weight_decay_rate: Annotated[Number, Field(ge=0)] = 0.0
    exclude_from_weight_decay: tuple[str, ...] = NO_DECAY
    max_gradient_norm: Annotated[Number, Field(ge=0)] | None = None
    max_gradient_value: Annotated[Number, Field(ge=0)] | None = None
    disable_lr_steps_reset: bool = False
    loss_scaling_factor: Literal["dynamic"] | Annotated[Number, Field(gt=0)] = 1.0
    initial_loss_scale: Annotated[Number, BeforeValidator(_or(2.0**15)), Field(gt=0)] = 2.0**15
    steps_per_increase: Annotated[Steps, BeforeValidator(_or(2000))] = 2000
    min_loss_scale: Annotated[Number, BeforeValidator(_or(2.0**-14)), Field(gt=0)] = 2.0**-14
    max_loss_scale: Annotated[Number, BeforeValidator(_or(2.0**15)), Field(gt=0)] = 2.0**15

    @model_validator(mode="after")
    def _consistent(self) -> OptimizerSpec:
        if self.max_gradient_norm and self.max_gradient_value:
            raise ValueError("gradients are clipped by max_gradient_norm or by max_gradient_value, not by both")
        if self.min_loss_scale > self.max_loss_scale:
            raise ValueError(f"min_loss_scale {self.min_loss_scale} is above max_loss_scale {self.max_loss_scale}")
        defaults = HYPER_PARAMETERS[self.optimizer_type]
        if unknown := sorted(self.hyper.keys() - defaults.keys()):
            raise ValueError(f"{self.optimizer_type} has no {unknown[0]!r}; {nearest(unknown[0], tuple(defaults))}")
        hyper = {key: _value(self.optimizer_type, key, self.hyper.get(key, defaults[key])) for key in defaults}
        object.__setattr__(self, "hyper", hyper)
        _require_possible(self.optimizer_type, hyper)
        return self

    @classmethod
    def from_params(cls, section: dict[str, Any], where: str = "optimizer") -> OptimizerSpec:
        """Read the `optimizer` section of params. Raises InvalidInput naming the key, with the nearest known one."""
        given = _renamed(section, where)
        kind = str(given.pop("optimizer_type", "")).lower()
        if kind not in HYPER_PARAMETERS:
            what = f"{kind!r} is no optimizer type" if kind else "'optimizer_type' is missing"
            raise InvalidInput(what, where=f"{where}.optimizer_type", fix=nearest(kind, tuple(HYPER_PARAMETERS)))
        if "learning_rate" not in given:
            raise InvalidInput("'learning_rate' is missing", where=f"{where}.learning_rate", fix="write a number")
        hyper = {key: given.pop(key) for key in HYPER_PARAMETERS[kind] if key in given}
        _require_known(given, kind, where)
        given["learning_rate"] = normalise(given["learning_rate"], f"{where}.learning_rate")
        try:
            return cls.model_validate({"optimizer_type": kind, "hyper": hyper, **given})
        except ValidationError as error:
            raise _explained(error, where) from error

    def to_json(self) -> str:
        return self.model_dump_json()

    @classmethod
    def from_json(cls, text: str | bytes) -> OptimizerSpec:
        """Read what `to_json` wrote. Raises InvalidInput for anything else."""
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            raise _explained(error, "optimizer") from error


def _renamed(section: dict[str, Any], where: str) -> dict[str, Any]:
    given = {str(key): value for key, value in section.items()}
    if "betas" in given:
        betas = given.pop("betas")
        if not isinstance(betas, list | tuple) or len(betas) != 2:
            raise InvalidInput("'betas' is a list of two numbers", where=f"{where}.betas", fix="betas: [0.9, 0.999]")
        given["beta1"], given["beta2"] = betas
    for alias, name in _ALIASES.items():
        if alias in given and name in given:
            raise InvalidInput(f"{alias!r} and {name!r} are the same key", where=f"{where}.{alias}", fix="keep one")
        if alias in given:
            given[name] = given.pop(alias)
    return given


def _require_known(given: dict[str, Any], kind: str, where: str) -> None:
    sections = tuple(key for key in OptimizerSpec.model_fields if key not in ("hyper", "optimizer_type"))
    known = (*sections, *HYPER_PARAMETERS[kind], *_ALIASES, "betas", "optimizer_type")
    for key in given:
        if key not in sections:
            raise InvalidInput(f"{kind} has no key {key!r}", where=f"{where}.{key}", fix=nearest(key, known))


def _value(kind: str, key: str, value: Value) -> Value:
    default = HYPER_PARAMETERS[kind][key]
    if isinstance(value, bool) != isinstance(default, bool) or (value is None and default is not None):
        wanted = "yes or no" if isinstance(default, bool) else "a number"
        raise ValueError(f"{key!r} is {wanted}, not {value!r}")
    if key in _FRACTIONS and value is not None and not 0 <= value < 1:
        raise ValueError(f"{key!r} is at least 0 and less than 1, not {value!r}")
    return value


def _require_possible(kind: str, hyper: Mapping[str, Value]) -> None:
    if kind == "adafactor":
        for key, only in _FIXED.items():
            if hyper[key] != only:
                raise ValueError(f"adafactor runs with {key} = {only!r} only, as in release 1.6")
    if kind == "adamw" and hyper["amsgrad"] and not hyper["correct_bias"]:
        raise ValueError("adamw with amsgrad needs correct_bias: True")
    if kind == "sgd" and hyper["use_nesterov"] and not hyper["momentum"]:
        raise ValueError("use_nesterov needs a momentum")


def _explained(error: ValidationError, where: str) -> InvalidInput:
    first = error.errors()[0]
    place = ".".join([where, *(str(part) for part in first["loc"] if part != "hyper")])
    return InvalidInput(first["msg"].removeprefix("Value error, "), where=place, fix="mend this key in the params")
