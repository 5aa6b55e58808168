"""Optimizers from an allow-list of classes: what an OptimizerSpec, which is data, becomes."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, optim

from wafer_sim.compiler.training import OptimizerSpec
from wafer_sim.runtime.lamb import Lamb
from wafer_sim.runtime.loss_scaling import LossScale, LossScaling
from wafer_sim.runtime.protocol import Array, Scalar
from wafer_sim.runtime.schedules import learning_rate
from wire.errors import InvalidInput

_SMALLEST = float(np.finfo(np.float32).tiny)

# What torch keeps its tracer away from, for which it imports the tracer: a second. Nothing is traced here.
_KEPT_FROM_TRACING = ("add_param_group", "load_state_dict", "state_dict", "zero_grad")

Hyper = Mapping[str, Any]
Groups = list[dict[str, Any]]


def build_optimizer(spec: OptimizerSpec, named_parameters: Mapping[str, Tensor]) -> optim.Optimizer:
    """The torch optimizer of a spec, for leaf tensors in the order given; its rate is that of step 0.

    Implementations are the fused or multi-tensor ones, which are deterministic for a fixed number of threads.
    """
    for name in _KEPT_FROM_TRACING:
        plain = inspect.unwrap(getattr(optim.Optimizer, name))
        vars(plain).setdefault("__dynamo_disable", plain)
    rate = learning_rate(spec.learning_rate, keep_counting=spec.disable_lr_steps_reset)(0)
    return _BUILDERS[spec.optimizer_type](_groups(spec, named_parameters), rate, spec.hyper)


class Optimizer:
    """An optimizer with its schedule, its clipping and its loss scaling: gradients in, weights changed.

    learning_rate: step -> rate, where step counts the steps made before. loss_scale: where loss scaling stands; None
    where the spec asks for none. Gradients are those of the loss times loss_scale.scale. keep: puts a new state tensor
    of at least one dimension where it is to live, and gives it back; it changes in place from then on.
    """

    def __init__(
        self,
        spec: OptimizerSpec,
        named_parameters: Mapping[str, Tensor],
        keep: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        self.spec = spec
        self._keep = keep
        self.learning_rate = learning_rate(spec.learning_rate, keep_counting=spec.disable_lr_steps_reset)
        self.inner = build_optimizer(spec, named_parameters)
        self._update = inspect.unwrap(type(self.inner).step)
        self._named = dict(named_parameters)
        self._parameters = list(self._named.values())
        self._scaling = LossScaling.of(spec)
        self.loss_scale: LossScale | None = self._scaling.begin() if self._scaling else None
        self._settle(self._parameters)

    def apply(self, gradients: Sequence[Tensor], step: int, norm: Tensor | None = None) -> bool:
        """Change the weights once. gradients: one per parameter, in their order; used up (scaled, clipped in place).

        norm: of all gradients of the model, where these are only some of them. False: loss scaling skipped the step,
        and the weights are as before.
        """
        for parameter, gradient in zip(self._parameters, gradients, strict=True):
            parameter.grad = like(parameter, gradient)
        applied = self.step(step, norm)
        for parameter in self._parameters:
            parameter.grad = None
        return applied

    def step(self, step: int, norm: Tensor | None = None) -> bool:
        """Change the weights once by the gradients that the parameters hold. step: steps made before. As `apply`."""
        if self._overflows():
            return False
        self._clip(norm)
        rate = self.learning_rate(step)
        for group in self.inner.param_groups:
            group["lr"] = rate
        fresh = [parameter for parameter in self._parameters if parameter not in self.inner.state] if self._keep else []
        with torch.no_grad():
            self._update(self.inner)
        self._settle(fresh)
        return True

    def zero_grad(self) -> None:
        """Forget the gradients that the parameters hold."""
        self.inner.zero_grad()

    def state(self) -> dict[str, Array]:
        """Copies of all state tensors, as "<parameter>/<what>"; the same set of names from the first step on."""
        return {key: self.value(key) for key in self.names()}

    def names(self) -> list[str]:
        """The names of all state tensors."""
        return [
            f"{name}/{what}"
            for name, parameter in self._named.items()
            for what, value in self.inner.state.get(parameter, {}).items()
            if value is not None
        ]

    def value(self, key: str) -> Array:
        """A copy of one state tensor. Raises KeyError for a name that is none of `names`."""
        name, _, what = key.rpartition("/")
        value = self.inner.state[self._named[name]][what]
        return np.array(torch.as_tensor(value).float().numpy())

    def scalars(self) -> dict[str, Scalar]:
        """What belongs to `state()` and is no tensor: the optimizer's type, and where loss scaling stands."""
        scaling = self.loss_scale.scalars() if self.loss_scale is not None else {}
        return {"optimizer_type": self.spec.optimizer_type, **scaling}

    def load(self, state: Mapping[str, Array], scalars: Mapping[str, Scalar]) -> None:
        """Continue from `state()` and `scalars()`. Raises InvalidInput for another type and a parameter not ours."""
        mine, theirs = self.spec.optimizer_type, scalars.get("optimizer_type")
        if mine != theirs:
            what = f"the checkpoint holds the state of {theirs}, the params ask for {mine}"
            fix = "keep the optimizer, or start in a new model_dir"
            raise InvalidInput(what, where="optimizer.optimizer_type", fix=fix)
        self.loss_scale = self._scaling.begin(scalars) if self._scaling else None
        self.inner.state.clear()
        for key, array in state.items():
            name, _, what = key.rpartition("/")
            if name not in self._named:
                raise InvalidInput(f"the optimizer state is of a parameter {name!r} that the model has not", where=key)
            parameter = self._named[name]
            value = torch.from_numpy(np.array(array))
            if value.dim() and value.shape == parameter.shape:
                value = value.to(parameter.dtype)
            self.inner.state[parameter][what] = value
        self._settle(self._parameters)

    def _settle(self, parameters: Sequence[Tensor]) -> None:
        if self._keep is None:
            return
        for state in (self.inner.state.get(parameter, {}) for parameter in parameters):
            for what, value in state.items():
                if isinstance(value, Tensor) and value.dim():
                    state[what] = self._keep(value)

    def _overflows(self) -> bool:
        """Divide the gradients by the scale, and go on to the next one. True: the step is to be skipped."""
        if self._scaling is None or self.loss_scale is None:
            return False
        gradients = [parameter.grad for parameter in self._parameters if parameter.grad is not None]
        overflow = bool(gradients) and unscale(gradients, self.loss_scale.scale)
        self.loss_scale = self._scaling.after(self.loss_scale, overflow)
        return overflow

    def _clip(self, norm: Tensor | None) -> None:
        if self.spec.max_gradient_norm:
            gradients = [parameter.grad for parameter in self._parameters if parameter.grad is not None]
            norm = total_norm([norm_of(gradient) for gradient in gradients]) if norm is None else norm
            torch.nn.utils.clip_grads_with_norm_(self._parameters, self.spec.max_gradient_norm, norm)
        elif self.spec.max_gradient_value:
            torch.nn.utils.clip_grad_value_(self._parameters, self.spec.max_gradient_value)


def unscale(gradients: list[Tensor], scale: float) -> bool:
    """Divide gradients of one device by a scale, in place; whether one of them is infinite or no number."""
    overflow = torch.zeros(1, device=gradients[0].device)
    inverse = torch.full((1,), 1 / scale, device=gradients[0].device)
    torch._amp_foreach_non_finite_check_and_unscale_(gradients, overflow, inverse)
    return bool(overflow)


def norm_of(gradient: Tensor) -> Tensor:
    """The 2-norm of one parameter's gradient."""
    norm: Tensor = torch.linalg.vector_norm(gradient)
    return norm


def total_norm(norms: Sequence[Tensor]) -> Tensor:
    """The 2-norm of all gradients of a model, of the norms of each."""
    norm: Tensor = torch.linalg.vector_norm(torch.stack([*norms]))
    return norm


def like(parameter: Tensor, gradient: Tensor) -> Tensor:
    """Fused kernels walk memory: a gradient must have its parameter's dtype and be dense."""
    return gradient.to(parameter.dtype).contiguous()


def _groups(spec: OptimizerSpec, named: Mapping[str, Tensor]) -> Groups:
    decayed: list[Tensor] = []
    kept: list[Tensor] = []
    for name, parameter in named.items():
        free = parameter.dim() < 2 or any(part in name for part in spec.exclude_from_weight_decay)
        (kept if free else decayed).append(parameter)
    groups = [{"params": decayed, "weight_decay": spec.weight_decay_rate}, {"params": kept, "weight_decay": 0.0}]
    return [group for group in groups if group["params"]]


def _betas(hyper: Hyper) -> tuple[float, float]:
    return hyper["beta1"], hyper["beta2"]


def _sgd(groups: Groups, rate: float, hyper: Hyper) -> optim.Optimizer:
    return optim.SGD(groups, rate, hyper["momentum"], nesterov=hyper["use_nesterov"], fused=True)


def _adam(groups: Groups, rate: float, hyper: Hyper) -> optim.Optimizer:
    return optim.Adam(groups, rate, _betas(hyper), hyper["eps"], amsgrad=hyper["amsgrad"], fused=True)


def _adamw(groups: Groups, rate: float, hyper: Hyper) -> optim.Optimizer:
    if not hyper["correct_bias"]:
        return Lamb(groups, rate, _betas(hyper), hyper["eps"], trust=False)
    return optim.AdamW(groups, rate, _betas(hyper), hyper["eps"], amsgrad=hyper["amsgrad"], fused=True)


def _adamax(groups: Groups, rate: float, hyper: Hyper) -> optim.Optimizer:
    return optim.Adamax(groups, rate, _betas(hyper), hyper["eps"], maximize=hyper["maximize"], foreach=True)


def _adadelta(groups: Groups, rate: float, hyper: Hyper) -> optim.Optimizer:
    return optim.Adadelta(groups, rate, hyper["rho"], hyper["eps"], foreach=True)


def _adafactor(groups: Groups, rate: float, hyper: Hyper) -> optim.Optimizer:
    """torch squares eps1; where that is no float32 any more its own smallest number takes its place."""
    eps1 = hyper["eps1"] if hyper["eps1"] ** 2 >= _SMALLEST else None
    limits = ((eps1, hyper["eps2"]), hyper["clip_threshold"])
    return optim.Adafactor(groups, rate, hyper["decay_rate"], *limits, weight_decay=0.0, foreach=False)


def _adagrad(groups: Groups, rate: float, hyper: Hyper) -> optim.Optimizer:
    names = ("lr_decay", "initial_accumulator_value", "eps", "maximize")
    return optim.Adagrad(groups, rate, **{name: hyper[name] for name in names}, foreach=True)


def _asgd(groups: Groups, rate: float, hyper: Hyper) -> optim.Optimizer:
    names = ("lambd", "alpha", "t0", "maximize")
    return optim.ASGD(groups, rate, **{name: hyper[name] for name in names}, foreach=True)


def _lamb(groups: Groups, rate: float, hyper: Hyper) -> optim.Optimizer:
    return Lamb(groups, rate, _betas(hyper), hyper["eps"], trust=not hyper["adam"])


def _nadam(groups: Groups, rate: float, hyper: Hyper) -> optim.Optimizer:
    decay = hyper["momentum_decay"]
    return optim.NAdam(groups, rate, _betas(hyper), hyper["eps"], momentum_decay=decay, foreach=True)


def _radam(groups: Groups, rate: float, hyper: Hyper) -> optim.Optimizer:
    return optim.RAdam(groups, rate, _betas(hyper), hyper["eps"], foreach=True)


def _rmsprop(groups: Groups, rate: float, hyper: Hyper) -> optim.Optimizer:
    names = ("alpha", "eps", "momentum", "centered")
    return optim.RMSprop(groups, rate, **{name: hyper[name] for name in names}, foreach=True)


def _rprop(groups: Groups, rate: float, hyper: Hyper) -> optim.Optimizer:
    """Rprop takes no weight decay: its step does not depend on a gradient's size."""
    bare = [{"params": group["params"]} for group in groups]
    sizes = (hyper["step_size_min"], hyper["step_size_max"])
    return optim.Rprop(bare, rate, (hyper["eta1"], hyper["eta2"]), sizes, foreach=True)


_BUILDERS: Mapping[str, Callable[[Groups, float, Hyper], optim.Optimizer]] = {
    "sgd": _sgd,
    "adam": _adam,
    "adamw": _adamw,
    "adamax": _adamax,
    "adadelta": _adadelta,
    "adafactor": _adafactor,
    "adagrad": _adagrad,
    "asgd": _asgd,
    "lamb": _lamb,
    "nadam": _nadam,
    "radam": _radam,
    "rmsprop": _rmsprop,
    "rprop": _rprop,
}
