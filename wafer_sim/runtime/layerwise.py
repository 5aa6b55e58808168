"""One optimizer, applied to one parameter at a time; its state is wherever it is told to be."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

import torch
from torch import Tensor

from wafer_sim.compiler.training import OptimizerSpec
from wafer_sim.runtime.optimizers import Optimizer, like, norm_of, total_norm
from wafer_sim.runtime.protocol import Array

_PROBE = 3, 5


class Place(Protocol):
    """Where a parameter's state tensors live: what is given comes back as a tensor there."""

    def __call__(self, parameter: str, value: Tensor) -> Tensor: ...


class LayerwiseOptimizer:
    """The same updates as one `Optimizer` over all parameters, bit for bit: no rule mixes parameters, but clipping.

    place: called once for each state tensor of at least one dimension.
    """

    def __init__(self, spec: OptimizerSpec, named_parameters: Mapping[str, Tensor], place: Place) -> None:
        self.spec = spec
        self._named = dict(named_parameters)
        self._each = {
            name: Optimizer(spec, {name: parameter}, _placing(place, name)) for name, parameter in self._named.items()
        }

    @property
    def needs_all(self) -> bool:
        """Whether no update can be made before the gradients of all parameters are there."""
        return bool(self.spec.max_gradient_norm)

    def apply(self, name: str, gradient: Tensor, step: int, norm: Tensor | None = None) -> None:
        """Change one parameter. gradient: used up. norm: of all gradients, where `needs_all`."""
        self._each[name].apply([gradient], step, norm)

    def norm(self, gradients: Iterable[tuple[str, Tensor]]) -> Tensor:
        """The norm of the gradients of all parameters, which come by name, in the order of the parameters."""
        return total_norm([norm_of(like(self._named[name], gradient)) for name, gradient in gradients])

    def names(self, name: str) -> list[str]:
        """What there is of one parameter's state, as `Optimizer.state` names it."""
        return self._each[name].names()

    def value(self, name: str, key: str) -> Array:
        """A copy of one state tensor of a parameter."""
        return self._each[name].value(key)

    def load(self, state: Mapping[str, Array]) -> None:
        """Continue from the `state` of an optimizer of the same type, of all its parameters. Raises InvalidInput."""
        kept: dict[str, list[str]] = {name: [] for name in self._each}
        for key in state:
            name = key.rpartition("/")[0]
            kept.get(name, next(iter(kept.values()))).append(key)
        for name, keys in kept.items():
            self._each[name].load({key: state[key] for key in keys})


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
