"""`cerebras.framework.torch.optim`: a user's torch optimizer, which the system's own one stands in for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch

from wafer_sim.compiler.training import HYPER_PARAMETERS
from wire.errors import Refused, nearest

STEP = "wafer_step"
"""What a checkpoint calls the number of updates that its state has seen."""

_PAIRS = {"betas": ("beta1", "beta2"), "etas": ("eta1", "eta2"), "step_sizes": ("step_size_min", "step_size_max")}
_RENAMED = {"nesterov": "use_nesterov", "beta2_decay": "decay_rate"}
_NEUTRAL: Mapping[str, Any] = {
    "dampening": 0,
    "maximize": False,
    "l2_regularization_rate": 0.0,
    "differentiable": False,
}
_IGNORED = frozenset(
    {"params", "lr", "initial_lr", "weight_decay", "foreach", "fused", "capturable", "swap", "decoupled_weight_decay"}
)


class Optimizer:
    """A user's optimizer as the system sees it: its class, its numbers and its state. Steps are made there.

    `_optimizer` is the user's own; learning-rate schedulers of that time ask for it.
    """

    def __init__(self, optimizer: torch.optim.Optimizer) -> None:
        self._optimizer = optimizer
        self.schedules: list[dict[str, Any]] = []
        self.keep_counting = False
        self.at_step = 0
        self.gradient_clipper: Any = None

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        return self._optimizer.param_groups

    @property
    def state(self) -> Any:
        return self._optimizer.state

    def zero_grad(self, set_to_none: bool = True) -> None:
        self._optimizer.zero_grad(set_to_none)

    def step(self, closure: Any = None) -> None:
        """Nothing: the system has made this step."""

    def set_main_lr_scheduler(self, scheduler: Any) -> None:
        """Nothing: the system knows the schedules from their own classes."""

    def follow(self, schedule: dict[str, Any], keep_counting: bool) -> None:
        """Take a schedule, after those that are there."""
        self.schedules.append(schedule)
        self.keep_counting = self.keep_counting or keep_counting

    def state_dict(self) -> dict[str, Any]:
        return self._optimizer.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint's state."""
        own = {key: value for key, value in state.items() if key != STEP}
        self._optimizer.load_state_dict(own)
        self.at_step = int(state.get(STEP, _steps_in(own)))

    def convert_state_dict_for_checkpoint(self, state: dict[str, Any]) -> dict[str, Any]:
        """The state with the number of updates that it has seen."""
        return {**state, STEP: self.at_step}

    def section(self, names: Mapping[torch.Tensor, str]) -> dict[str, Any]:
        """The `optimizer` section of params that says the same. names: parameter -> its name in the model.

        Raises Refused for a class or a setting that the system has not.
        """
        kind = type(self._optimizer).__name__.lower()
        if kind not in HYPER_PARAMETERS:
            what = f"the system has no optimizer {type(self._optimizer).__name__}"
            raise Refused(what, where="optimizer", fix=nearest(kind, tuple(HYPER_PARAMETERS)))
        rate: Any = self.schedules or self.param_groups[0]["lr"]
        section = {"optimizer_type": kind, "learning_rate": rate, "disable_lr_steps_reset": self.keep_counting}
        return {**section, **self._numbers(kind), **self._decay(names), **self._clipping()}

    def state_arrays(self, names: Mapping[torch.Tensor, str]) -> dict[str, Any]:
        """The state as the system takes it: "<parameter>/<what>" -> array."""
        return {
            f"{names[parameter]}/{what}": torch.as_tensor(value).detach().float().numpy().copy()
            for parameter, state in self.state.items()
            for what, value in state.items()
            if parameter in names
        }

    def take(self, state: Mapping[str, Any], names: Mapping[torch.Tensor, str], step: int) -> None:
        """Hold the system's state of a step."""
        parameters = {name: parameter for parameter, name in names.items()}
        for key in state:
            name, _, what = key.rpartition("/")
            self.state[parameters[name]][what] = torch.from_numpy(np.array(state[key]))
        self.at_step = step

    def _numbers(self, kind: str) -> dict[str, Any]:
        group = dict(self.param_groups[0])
        numbers = dict(_spread(group))
        if type(self._optimizer).__module__.startswith("torch.optim") and kind in ("adamw",):
            numbers["correct_bias"] = True
        known = HYPER_PARAMETERS[kind]
        for key, value in numbers.items():
            if key not in known and key not in _IGNORED and value != _NEUTRAL.get(key, None):
                self._require_neutral(kind, key, value)
        return {key: value for key, value in numbers.items() if key in known}

    def _require_neutral(self, kind: str, key: str, value: Any) -> None:
        if key in _NEUTRAL or value not in (None, False, 0):
            known = ", ".join(HYPER_PARAMETERS[kind])
            raise Refused(
                f"{kind} on the system has no {key} (it is {value!r})", where="optimizer", fix=f"known: {known}"
            )

    def _decay(self, names: Mapping[torch.Tensor, str]) -> dict[str, Any]:
        decays = {float(group.get("weight_decay") or 0.0) for group in self.param_groups}
        if len(decays - {0.0}) > 1:
            what = f"the parameter groups decay by {', '.join(map(str, sorted(decays)))}"
            raise Refused(what, where="optimizer", fix="use one weight decay, and 0 for what is not decayed")
        kept = [group for group in self.param_groups if not group.get("weight_decay")]
        excluded = [names[p] for group in kept for p in group["params"] if p in names]
        return {"weight_decay_rate": max(decays), "exclude_from_weight_decay": excluded}

    def _clipping(self) -> dict[str, Any]:
        """What a gradient clipper of that time holds: a function of torch.nn.utils, and a bound."""
        function = getattr(self.gradient_clipper, "max_gradient_fn", None)
        bound = getattr(self.gradient_clipper, "max_gradient", 0.0)
        key = {"clip_grad_norm_": "max_gradient_norm", "clip_grad_value_": "max_gradient_value"}
        return {key[function.__name__]: bound} if function is not None and bound else {}


def _spread(group: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for key, value in group.items():
        if key in _PAIRS:
            yield from zip(_PAIRS[key], value, strict=True)
        elif key == "eps" and isinstance(value, tuple):
            yield from zip(("eps1", "eps2"), value, strict=True)
        else:
            yield _RENAMED.get(key, key), value


def _steps_in(state: Mapping[str, Any]) -> int:
    """The updates that an optimizer's own counters have seen; 0 where it has none."""
    counted = [each["step"] for each in state.get("state", {}).values() if "step" in each]
    return max((int(count) for count in counted), default=0)


__all__ = ["Optimizer"]
