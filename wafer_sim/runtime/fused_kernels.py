"""The kernels of fused calls. torch's own trust the sizes of their arguments, so those are looked at first."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from wafer_sim.runtime.fusion import (
    CROSS_ENTROPY_BACKWARD,
    GELU_BACKWARD,
    LOG_SOFTMAX_BACKWARD,
    NORM_BACKWARD,
    SOFTMAX_BACKWARD,
)
from wafer_sim.runtime.reuse import IN_PLACE, RELU_BACKWARD

_aten = torch.ops.aten


def _softmax_backward(grad: Tensor, result: Tensor, dim: int) -> Tensor:
    if _differ(grad, result):
        product = grad * result
        return product - result * product.sum(dim, True)
    return torch._softmax_backward_data(grad, result, dim, result.dtype)


def _log_softmax_backward(grad: Tensor, result: Tensor, dim: int) -> Tensor:
    if _differ(grad, result):
        return grad - result.exp() * grad.sum(dim, True)
    return torch._log_softmax_backward_data(grad, result, dim, result.dtype)


def _cross_entropy_backward(logs: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    """The gradient of a negative log likelihood of soft-maxed logits, (N, C, ...), by the logits.

    labels, weights: (N, 1, ...). Each row is its probabilities times its weight, less the weight at its label.
    """
    if not _fits(logs, labels, weights):
        grad = torch.zeros_like(logs).scatter(1, labels, -1.0) * weights
        return grad - logs.exp() * grad.sum(1, True)
    return _less_labels(torch.exp(logs), labels, weights)


def _cross_entropy_backward_in_place(logs: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    if not _fits(logs, labels, weights):
        return _cross_entropy_backward(logs, labels, weights)
    return _less_labels(logs.exp_(), labels, weights)


def _less_labels(shares: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    shares.mul_(weights)
    return shares.scatter_(1, labels, shares.gather(1, labels) - weights)


def _fits(logs: Tensor, labels: Tensor, weights: Tensor) -> bool:
    same = labels.shape == weights.shape == (logs.shape[0], 1, *logs.shape[2:])
    return same and weights.dtype == logs.dtype


def _norm_backward(grad: Tensor, x: Tensor, shape: list[int], *rest: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """rest: mean, rstd, weight, bias, all of the forward call, which has looked at their sizes."""
    if _differ(grad, x):
        raise ValueError(f"a gradient of shape {tuple(grad.shape)} is none of a norm of shape {tuple(x.shape)}")
    made: tuple[Tensor, Tensor, Tensor] = _aten.native_layer_norm_backward.default(
        grad, x, shape, *rest, [True, True, True]
    )
    return made


def _relu_backward(grad: Tensor, result: Tensor) -> Tensor:
    if _differ(grad, result):
        return torch.where(result <= 0, torch.zeros((), dtype=grad.dtype), grad)
    made: Tensor = _aten.threshold_backward.default(grad, result, 0)
    return made


def _relu_backward_in_place(grad: Tensor, result: Tensor) -> Tensor:
    if _differ(grad, result):
        return _relu_backward(grad, result)
    made: Tensor = _aten.threshold_backward.grad_input(grad, result, 0, grad_input=grad)
    return made


def _differ(left: Tensor, right: Tensor) -> bool:
    return left.shape != right.shape or left.dtype != right.dtype


FUSED: Mapping[str, Callable[..., Any]] = {
    GELU_BACKWARD: _aten.gelu_backward.default,
    SOFTMAX_BACKWARD: _softmax_backward,
    LOG_SOFTMAX_BACKWARD: _log_softmax_backward,
    CROSS_ENTROPY_BACKWARD: _cross_entropy_backward,
    IN_PLACE[CROSS_ENTROPY_BACKWARD]: _cross_entropy_backward_in_place,
    RELU_BACKWARD: _relu_backward,
    IN_PLACE[RELU_BACKWARD]: _relu_backward_in_place,
    IN_PLACE["aten.relu.default"]: torch.relu_,
    NORM_BACKWARD: _norm_backward,
}
