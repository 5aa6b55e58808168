"""A linear model over samples of any size: python -m benchmarks.sized.run --mode train --params ..."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional

from clients.pytorch import PyTorchBaseModel, RecipeLoader, run

ROWS = 60_000


class Linear(PyTorchBaseModel):
    """Ten classes of train_input.sample_bytes values."""

    def __init__(self, params: dict[str, Any], device: torch.device | None = None) -> None:
        super().__init__(params=params, model=nn.Linear(params["train_input"]["sample_bytes"], 10), device=device)

    def __call__(self, data: Any) -> torch.Tensor:
        values, labels = data
        return functional.nll_loss(functional.log_softmax(self.model(values), dim=1), labels)


def get_train_dataloader(params: dict[str, Any]) -> RecipeLoader:
    """Synthetic rows: uint8 (sample_bytes,), which lands as float32, and an int32 label."""
    section = dict(params["train_input"])
    size = section.pop("sample_bytes")
    columns = {
        "values": {"dtype": "uint8", "shape": [size], "scale": 1 / 255, "lands_as": "float32"},
        "label": {"dtype": "int32", "shape": []},
    }
    recipe = {"format": "synthetic", "columns": columns, "rows": ROWS, **section}
    return RecipeLoader(recipe, where="train_input", training=True)


if __name__ == "__main__":
    run(Linear, get_train_dataloader)
