"""Small models that the tests of clients.pytorch share."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional

from clients.pytorch import AccuracyMetric, PyTorchBaseModel

FEATURES, CLASSES = 12, 5


def make_params(**runconfig: Any) -> dict[str, Any]:
    """Params for a small model in float32 with SGD."""
    return {
        "model": {"mixed_precision": False},
        "optimizer": {"optimizer_type": "sgd", "learning_rate": 0.1, "momentum": 0.9},
        "runconfig": {"mode": "train", **runconfig},
    }


class Net(nn.Module):
    """Two layers, dropout and an accuracy."""

    def __init__(self, dropout: float = 0.0) -> None:
        super().__init__()
        self.first = nn.Linear(FEATURES, 8)
        self.last = nn.Linear(8, CLASSES)
        self.dropout = nn.Dropout(dropout)
        self.accuracy = AccuracyMetric("accuracy")

    def forward(self, inputs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        logits = self.last(self.dropout(functional.relu(self.first(inputs))))
        self.accuracy(labels=labels, predictions=logits.argmax(-1).int())
        return functional.nll_loss(functional.log_softmax(logits, dim=1), labels)


class Model(PyTorchBaseModel):
    """Calls its net with the fields of a batch, whatever its structure."""

    def __init__(self, params: dict[str, Any] | None = None, net: nn.Module | None = None) -> None:
        super().__init__(params or make_params(), net or Net())

    def __call__(self, data: Any) -> torch.Tensor:
        return self.model(**data) if isinstance(data, dict) else self.model(*data)


def make_batch(rows: int = 6) -> tuple[torch.Tensor, torch.Tensor]:
    """Features in float16 and labels in int32, as CSoft's loaders give them."""
    generator = torch.Generator().manual_seed(rows)
    features = torch.randn(rows, FEATURES, generator=generator).half()
    return features, torch.randint(0, CLASSES, (rows,), generator=generator, dtype=torch.int32)
