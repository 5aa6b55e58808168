"""Images with a square in each, and where it is."""

from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset


class Squares(Dataset[tuple[Tensor, Tensor]]):
    """An image of noise and a bright square, and the mask of the square."""

    def __init__(self, channels: int, side: int, count: int) -> None:
        self.channels, self.side, self.count = channels, side, count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, number: int) -> tuple[Tensor, Tensor]:
        generator = torch.Generator().manual_seed(number)
        left, top = torch.randint(self.side // 2, (2,), generator=generator).tolist()
        mask = torch.zeros(1, self.side, self.side)
        mask[:, top : top + self.side // 4, left : left + self.side // 4] = 1
        return torch.randn(self.channels, self.side, self.side, generator=generator) + 2 * mask, mask


def get_train_dataloader(params: dict[str, Any]) -> DataLoader[tuple[Tensor, Tensor]]:
    """Batches of the `train_input` section."""
    section = params["train_input"]
    data = Squares(params["model"]["channels"], section["side"], section["images"])
    return DataLoader(data, section["batch_size"], shuffle=True, drop_last=True)
