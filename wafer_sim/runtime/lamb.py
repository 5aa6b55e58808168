"""LAMB as release 1.6 has it: no bias correction, and a trust ratio per parameter."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

LARGEST_WEIGHT_NORM = 10.0


class Lamb(Optimizer):
    """Each parameter moves by its Adam step, scaled by min(|w|, 10) / |step|.

    trust: False keeps the scale at 1, which is AdamW without bias correction.
    """

    def __init__(
        self, params: Iterable[Any], lr: float, betas: tuple[float, float], eps: float, *, trust: bool = True
    ) -> None:
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": 0.0, "trust": trust})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Change every parameter that has a gradient. Raises ValueError for a closure: a step sees one gradient."""
        if closure is not None:
            raise ValueError("Lamb takes no closure")
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._move(parameter, parameter.grad, group)

    def _move(self, weight: Tensor, grad: Tensor, group: dict[str, Any]) -> None:
        state = self.state[weight]
        if not state:
            state["exp_avg"] = torch.zeros_like(weight)
            state["exp_avg_sq"] = torch.zeros_like(weight)
        beta1, beta2 = group["betas"]
        mean = state["exp_avg"].lerp_(grad, 1 - beta1)
        square = state["exp_avg_sq"].mul_(beta2).addcmul_(grad, grad, value=1 - beta2)
        move = mean / square.sqrt().add_(group["eps"])
        if group["weight_decay"]:
            move.add_(weight, alpha=group["weight_decay"])
        ratio = _trust(weight, move) if group["trust"] else 1.0
        weight.sub_(move, alpha=group["lr"] * ratio)


def _trust(weight: Tensor, move: Tensor) -> float:
    large, step = min(float(weight.norm()), LARGEST_WEIGHT_NORM), float(move.norm())
    return large / step if large > 0 and step > 0 else 1.0
