"""A user's own project, written into a folder: model.py, data.py, run.py, params.yaml."""

from __future__ import annotations

from pathlib import Path

MODEL = """
import torch
from clients.pytorch import PyTorchBaseModel


class Net(torch.nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.layer = torch.nn.Linear(8, classes)

    def forward(self, x, y):
        hidden = self.layer(x)
        {line}
        return torch.nn.functional.cross_entropy(hidden, y)


class Model(PyTorchBaseModel):
    def __init__(self, params, device=None):
        super().__init__(params=params, model=Net(params["model"]["classes"]), device=device)

    def __call__(self, data):
        x, y = data
        return self.model(x, y)
"""

TENSORS = """
import torch
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset


def _tensors():
    x = torch.arange(8 * 200, dtype=torch.float32).reshape(200, 8) / 1600
    return x, torch.arange(200) % 4


def get_train_dataloader(params):
    section = params["train_input"]
    return DataLoader(TensorDataset(*_tensors()), batch_size=section["batch_size"], shuffle=True, drop_last=True)


def get_eval_dataloader(params):
    return DataLoader(TensorDataset(*_tensors()), batch_size=params["eval_input"]["batch_size"])
"""

MAP_STYLE = """
import torch
from torch.utils.data import DataLoader, Dataset


class Squares(Dataset):
    def __len__(self):
        return 200

    def __getitem__(self, i):
        {line}
        return torch.full((8,), i / 200.0), i % 4


def get_train_dataloader(params):
    return DataLoader(Squares(), batch_size=params["train_input"]["batch_size"], shuffle=True, drop_last=True)


def get_eval_dataloader(params):
    return DataLoader(Squares(), batch_size=params["eval_input"]["batch_size"])
"""

ITERABLE = """
import random

import torch
from torch.utils.data import DataLoader, IterableDataset


class Stream(IterableDataset):
    def __iter__(self):
        numbers = list(range(200))
        random.shuffle(numbers)
        for number, i in enumerate(numbers):
            {line}
            yield torch.full((8,), i / 200.0), i % 4


def get_train_dataloader(params):
    return DataLoader(Stream(), batch_size=params["train_input"]["batch_size"], drop_last=True)


def get_eval_dataloader(params):
    return DataLoader(Stream(), batch_size=params["eval_input"]["batch_size"])
"""

RUN = """
from clients.pytorch import run
from data import get_eval_dataloader, get_train_dataloader
from model import Model

if __name__ == "__main__":
    run(Model, get_train_dataloader, get_eval_dataloader)
"""

PARAMS = """
train_input:
    batch_size: 20
    drop_last_batch: True
eval_input:
    batch_size: 30
model:
    mixed_precision: False
    classes: 4
optimizer:
    optimizer_type: SGD
    learning_rate: 0.1
runconfig:
    max_steps: 30
    log_steps: 10
    checkpoint_steps: 10
    seed: 1
"""


def write(folder: Path, *, data: str = TENSORS, data_line: str = "pass", model_line: str = "pass") -> Path:
    """A project in `folder`; `data_line` and `model_line` are put where the templates have room for one."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.py").write_text(MODEL.replace("{line}", model_line))
    (folder / "data.py").write_text(data.replace("{line}", data_line))
    (folder / "run.py").write_text(RUN)
    (folder / "params.yaml").write_text(PARAMS)
    return folder
