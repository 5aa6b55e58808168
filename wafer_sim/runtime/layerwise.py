"""One optimizer, applied to one parameter at a time; its state is wherever it is told to be."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from wafer_sim.compiler.training import OptimizerSpec
from wafer_sim.runtime.loss_scaling import LossScale, LossScaling
from wafer_sim.runtime.optimizers import Optimizer, like, norm_of, total_norm, unscale
from wafer_sim.runtime.protocol import Array, Scalar

_PROBE = 3, 5


class Place(Protocol):
    """Where a parameter's state tensors live: what is given comes back as a tensor there."""

    def __call__(self, parameter: str, value: Tensor) -> Tensor: ...


@dataclass(frozen=True, slots=True)
class Together:
    """What is known of all gradients of a step. scale: by which each is still multiplied; norm: of all, without it."""

    scale: float | None = None
    norm: Tensor | None = None


NOTHING = Together()


class LayerwiseOptimizer:
    """The same updates as one `Optimizer` over all parameters, bit for bit: no rule mixes parameters.

    What does, clipping by the norm of all and skipping a step whose gradients are not finite, is decided `together`.
    place: called once for each state tensor of at least one dimension. loss_scale: where loss scaling stands; None
    where the spec asks for none.
    """

    def __init__(self, spec: OptimizerSpec, named_parameters: Mapping[str, Tensor], place: Place) -> None:
        self.spec = spec
        self._named = dict(named_parameters)
        self._scaling = LossScaling.of(spec)
        self.loss_scale: LossScale | None = self._scaling.begin() if self._scaling else None
        alone = spec.model_copy(update={"loss_scaling_factor": 1.0})
        self._each = {
            name: Optimizer(alone, {name: parameter}, _placing(place, name)) for name, parameter in self._named.items()
        }

    @property
    def needs_all(self) -> bool:
        """Whether no update can be made before the gradients of all parameters are there."""
        return needs_all(self.spec)

    def apply(self, name: str, gradient: Tensor, step: int, together: Together = NOTHING) -> None:
        """Change one parameter. gradient: used up. together: of all gradients, where `needs_all`."""
        dense = like(self._named[name], gradient)
        if together.scale is not None:
            unscale([dense], together.scale)
        self._each[name].apply([dense], step, together.norm)

    def together(self, gradients: Iterable[tuple[str, Tensor]]) -> Together | None:
        """Look at the gradients of all parameters, which come by name, in their order, and move the loss scale on.

        None: one is not finite, and loss scaling skips the step. Gradients stay as they are.
        """
        scale = self.loss_scale.scale if self.loss_scale is not None else None
        overflow, norms = False, []
        for name, gradient in gradients:
            dense = like(self._named[name], gradient)
            if scale is not None:
                dense = dense.clone() if dense is gradient else dense
                overflow = unscale([dense], scale) or overflow
            if self.spec.max_gradient_norm:
                norms.append(norm_of(dense))
        if self._scaling is not None and self.loss_scale is not None:
            self.loss_scale = self._scaling.after(self.loss_scale, overflow)
        return None if overflow else Together(scale, total_norm(norms) if norms else None)

    def names(self, name: str) -> list[str]:
        """What there is of one parameter's state, as `Optimizer.state` names it."""
        return self._each[name].names()

    def value(self, name: str, key: str) -> Array:
        """A copy of one state tensor of a parameter."""
        return self._each[name].value(key)

    def scalars(self) -> dict[str, Scalar]:
        """As `Optimizer.scalars`."""
        scaling = self.loss_scale.scalars() if self.loss_scale is not None else {}
        return {"optimizer_type": self.spec.optimizer_type, **scaling}

    def load(self, state: Mapping[str, Array], scalars: Mapping[str, Scalar]) -> None:
        """Continue from `state` and `scalars` of one `Optimizer` over all parameters. Raises InvalidInput."""
        kept: dict[str, list[str]] = {name: [] for name in self._each}
        for key in state:
            name = key.rpartition("/")[0]
            kept.get(name, next(iter(kept.values()))).append(key)
        for name, keys in kept.items():
            self._each[name].load({key: state[key] for key in keys}, scalars)
        self.loss_scale = self._scaling.begin(scalars) if self._scaling else None


def needs_all(spec: OptimizerSpec) -> bool:
    """Whether a spec allows no update before the gradients of all parameters are there."""
    return bool(spec.max_gradient_norm) or LossScaling.of(spec) is not None


def _placing(place: Place, name: str) -> Callable[[Tensor], Tensor]:
    return lambda value: place(name, value)


def state_bytes(spec: OptimizerSpec, shape: tuple[int, ...], dtype: torch.dtype) -> int:
    """Bytes of the state that an optimizer keeps of a parameter; numbers of their own are not counted."""
    probe = torch.zeros(_PROBE[: len(shape)] or (), dtype=dtype)
    optimizer = Optimizer(spec, {"probe": probe})
    optimizer.apply([torch.zeros_like(probe)], 0)
    whole = torch.Size(shape).numel()
    return sum(
        whole * value.itemsize
        for value in optimizer.inner.state.get(probe, {}).values()
        if isinstance(value, Tensor) and value.shape == probe.shape and value.dim()
    )
