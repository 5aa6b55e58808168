"""The class that a ported model derives from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property
from typing import Any

import torch

from clients.pytorch.precision import Precision
from wafer_sim.compiler.training import OptimizerSpec
from wafer_sim.runtime.optimizers import Optimizer

TRAIN = "train"
EVAL = "eval"


class PyTorchBaseModel(ABC):
    """A model, its loss and how it is trained: `__call__(data)` gives the mean loss of a batch.

    model: the torch module. mode: "train" or "eval". mixed_precision: from params["model"]. optimizer, lr_scheduler:
    for training outside the wafer, None in eval mode; the wafer computes both itself. allow_multireplica: whether
    replicas may share a batch; never outside of training.
    """

    def __init__(self, params: dict[str, Any], model: torch.nn.Module, device: torch.device | None = None) -> None:
        """Raises InvalidInput for an `optimizer` section that is wrong, or a precision that cannot be."""
        self.model = model if device is None else model.to(device)
        self.mode: str = params["runconfig"].get("mode", TRAIN)
        self._precision = Precision.of(params["model"])
        self.mixed_precision = self._precision.mixed
        self.allow_multireplica = bool(params["model"].get("allow_multireplica", True)) and self.mode == TRAIN
        self._spec = OptimizerSpec.from_params(params["optimizer"]) if self.mode != EVAL else None

    @cached_property
    def optimizer(self) -> Optimizer | None:
        """Made when it is first asked for: the wafer has its own, and torch imports its compiler for one."""
        return None if self._spec is None else Optimizer(self._spec, dict(self.trainable_named_parameters()))

    @cached_property
    def lr_scheduler(self) -> Any:
        """Step -> rate."""
        return None if self.optimizer is None else self.optimizer.learning_rate

    @property
    def precision(self) -> Precision:
        """What its activations are computed in. Raises InvalidInput where it cannot be."""
        return replace(self._precision, mixed=self.mixed_precision)

    @abstractmethod
    def __call__(self, data: Any) -> torch.Tensor:
        """The mean loss of a batch, a scalar. data: what the data loader yields."""

    def train(self) -> None:
        """Switch the module and the mode to training."""
        self.model.train()
        self.mode = TRAIN

    def eval(self) -> None:
        """Switch the module and the mode to evaluation."""
        self.model.eval()
        self.mode = EVAL

    def trainable_named_parameters(self) -> Iterator[tuple[str, torch.nn.Parameter]]:
        """The parameters that the optimizer changes."""
        return ((name, p) for name, p in self.model.named_parameters() if p.requires_grad)

    def get_state(self) -> dict[str, torch.Tensor]:
        """A copy of parameters and buffers by name."""
        return {name: tensor.detach().clone() for name, tensor in self.model.state_dict().items()}

    def set_state(self, state: dict[str, torch.Tensor], strict: bool = True) -> None:
        """Load parameters and buffers by name. Raises RuntimeError, as torch does, for names or shapes that differ."""
        self.model.load_state_dict(state, strict=strict)
