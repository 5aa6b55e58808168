"""The fully connected network: 784 pixels, hidden layers, ten digits."""

from itertools import pairwise
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from clients.pytorch import AccuracyMetric, PyTorchBaseModel
from wire.errors import InvalidInput, nearest

PIXELS = 28 * 28
DIGITS = 10

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "tanh": nn.Tanh,
    "elu": nn.ELU,
    "selu": nn.SELU,
    "linear": nn.Identity,
}


class MNIST(nn.Module):
    """The network and its loss. model_params: the `model` section of the params."""

    def __init__(self, model_params: dict[str, Any]) -> None:
        super().__init__()
        sizes = [PIXELS, *hidden_sizes(model_params)]
        self.fc_layers = nn.ModuleList(nn.Linear(given, wanted) for given, wanted in pairwise(sizes))
        self.last_layer = nn.Linear(sizes[-1], DIGITS)
        self.nonlin = activation(model_params.get("activation_fn", "relu"))
        self.dropout = nn.Dropout(model_params.get("dropout", 0.0))
        self.loss_fn = nn.NLLLoss()
        self.accuracy_metric = accuracy(model_params.get("compute_eval_metrics", False))

    def forward(self, inputs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """inputs: (batch, 28, 28) or (batch, 1, 28, 28); labels: (batch,). Gives the mean loss."""
        x = torch.flatten(inputs, 1)
        for fc_layer in self.fc_layers:
            x = self.dropout(self.nonlin(fc_layer(x)))
        pred_logits = self.last_layer(x)
        if self.accuracy_metric and not self.training:
            self.accuracy_metric(labels=labels, predictions=pred_logits.argmax(-1))
        loss: torch.Tensor = self.loss_fn(functional.log_softmax(pred_logits, dim=1), labels)
        return loss


class MNISTModel(PyTorchBaseModel):
    """FC-MNIST as the wafer takes it."""

    def __init__(self, params: dict[str, Any], device: torch.device | None = None) -> None:
        if params["model"].get("to_float16"):
            what = "model.to_float16 is True, but weights stay in float32"
            raise InvalidInput(what, where="model.to_float16", fix="set model.mixed_precision: True instead")
        super().__init__(params=params, model=MNIST(params["model"]), device=device)

    def __call__(self, data: Any) -> torch.Tensor:
        inputs, labels = data
        loss: torch.Tensor = self.model(inputs, labels)
        return loss


def hidden_sizes(model_params: dict[str, Any]) -> list[int]:
    """`hidden_sizes`, or `depth` layers of `hidden_size`. Raises InvalidInput where neither is given."""
    if "hidden_sizes" in model_params:
        return list(model_params["hidden_sizes"])
    try:
        return [model_params["hidden_size"]] * model_params["depth"]
    except KeyError as error:
        fix = "give hidden_sizes: [500, 300], or depth and hidden_size"
        raise InvalidInput(f"model.{error.args[0]} is missing", where="model", fix=fix) from error


def activation(name: str) -> nn.Module:
    """The layer for an activation_fn. Raises InvalidInput for an unknown one."""
    if name not in ACTIVATIONS:
        what = f"there is no activation_fn {name!r}"
        raise InvalidInput(what, where="model.activation_fn", fix=nearest(name, tuple(ACTIVATIONS)))
    return ACTIVATIONS[name]()


def accuracy(wanted: bool | list[str]) -> AccuracyMetric | None:
    """The metric for compute_eval_metrics: True, False or a list of names. Raises InvalidInput for other names."""
    unknown = [name for name in wanted if name != "accuracy"] if isinstance(wanted, list) else []
    if unknown:
        what = f"there is no metric {unknown[0]!r}"
        raise InvalidInput(what, where="model.compute_eval_metrics", fix=nearest(unknown[0], ("accuracy",)))
    return AccuracyMetric(name="accuracy") if wanted else None
