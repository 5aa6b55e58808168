"""Sentences of words drawn at random: what a model of this size costs does not depend on what they say."""

from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset


class Sentences(Dataset[tuple[Tensor, ...]]):
    """words, mask, masked places, their words, whether the second sentence follows the first."""

    def __init__(self, words: int, length: int, masked: int, count: int) -> None:
        self.words, self.length, self.masked, self.count = words, length, masked, count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, number: int) -> tuple[Tensor, ...]:
        generator = torch.Generator().manual_seed(number)
        words = torch.randint(self.words, (self.length,), generator=generator)
        masked = torch.randperm(self.length, generator=generator)[: self.masked]
        following = torch.randint(2, (), generator=generator)
        return words, torch.ones(self.length), masked, words[masked], following


def get_train_dataloader(params: dict[str, Any]) -> DataLoader[tuple[Tensor, ...]]:
    """Batches of the `train_input` section."""
    model, section = params["model"], params["train_input"]
    data = Sentences(model["words"], model["length"], section["masked"], section["sentences"])
    return DataLoader(data, section["batch_size"], shuffle=True, drop_last=True)
