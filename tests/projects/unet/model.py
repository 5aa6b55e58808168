"""A U-Net: down by pooling, up again by transposed convolutions, with what was there before beside it."""

from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from clients.pytorch import PyTorchBaseModel


def convolved(given: int, wanted: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(given, wanted, 3, padding=1), nn.GroupNorm(2, wanted), nn.ReLU())


class UNet(nn.Module):
    """Twice the width from level to level. channels: of an image."""

    def __init__(self, *, channels: int, width: int, levels: int) -> None:
        super().__init__()
        widths = [width << level for level in range(levels + 1)]
        self.down = nn.ModuleList(convolved(*sides) for sides in pairwise([channels, *widths]))
        self.up = nn.ModuleList(nn.ConvTranspose2d(wide, narrow, 2, 2) for narrow, wide in pairwise(widths))
        self.after = nn.ModuleList(
            nn.Sequential(nn.Conv2d(wide, narrow, 3, padding=1), nn.ReLU()) for narrow, wide in pairwise(widths)
        )
        self.out = nn.Conv2d(width, 1, 1)

    def forward(self, images: Tensor, masks: Tensor) -> Tensor:
        """images: (batch, channels, side, side); masks: (batch, 1, side, side). Gives the mean loss."""
        x, before = self.down[0](images), []
        for down in self.down[1:]:
            before.append(x)
            x = down(functional.max_pool2d(x, 2))
        for up, after in zip(reversed(self.up), reversed(self.after), strict=True):
            x = after(torch.cat([up(x), before.pop()], 1))
        return functional.binary_cross_entropy_with_logits(self.out(x), masks)


class UNetModel(PyTorchBaseModel):
    """The U-Net as the wafer takes it. The `model` section has its sizes."""

    def __init__(self, params: dict[str, Any], device: torch.device | None = None) -> None:
        sizes = {name: params["model"][name] for name in ("channels", "width", "levels")}
        super().__init__(params=params, model=UNet(**sizes), device=device)

    def __call__(self, data: Any) -> Tensor:
        return self.model(*data)
