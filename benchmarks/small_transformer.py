"""A small transformer in plain PyTorch: two pre-norm blocks over tokens, trained to say each token's own label."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional

from clients.pytorch import PyTorchBaseModel

TOKENS, WORDS, WIDTH, HEADS, BLOCKS = 64, 1024, 128, 4, 2


class Block(nn.Module):
    """Attention and a feed-forward part, each after a norm and beside its input."""

    def __init__(self) -> None:
        super().__init__()
        self.first_norm, self.last_norm = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.into, self.out = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.wide, self.narrow = nn.Linear(WIDTH, 4 * WIDTH), nn.Linear(4 * WIDTH, WIDTH)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """x, and what it gives: (batch, tokens, width)."""
        rows, tokens, width = x.shape
        parts = self.into(self.first_norm(x)).view(rows, tokens, 3, HEADS, width // HEADS).permute(2, 0, 3, 1, 4)
        query, key, value = parts.unbind(0)
        scores = query @ key.transpose(-2, -1) * (width // HEADS) ** -0.5
        seen = (torch.softmax(scores, dim=-1) @ value).transpose(1, 2).reshape(rows, tokens, width)
        x = x + self.out(seen)
        made: torch.Tensor = x + self.narrow(functional.gelu(self.wide(self.last_norm(x))))
        return made


class Transformer(nn.Module):
    """Embeddings, blocks, a last norm and a linear layer; gives the mean cross entropy."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.places = nn.Embedding(WORDS, WIDTH), nn.Embedding(TOKENS, WIDTH)
        self.blocks = nn.ModuleList(Block() for _ in range(BLOCKS))
        self.norm, self.last = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, WORDS)

    def forward(self, words: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """words, labels: (batch, tokens) whole numbers below WORDS."""
        x = self.words(words) + self.places.weight
        for block in self.blocks:
            x = block(x)
        return functional.cross_entropy(self.last(self.norm(x)).flatten(0, 1), labels.flatten())


class TransformerModel(PyTorchBaseModel):
    """The small transformer as the wafer takes it."""

    def __init__(self, params: dict[str, Any]) -> None:
        super().__init__(params, Transformer())

    def __call__(self, data: Any) -> torch.Tensor:
        words, labels = data
        loss: torch.Tensor = self.model(words, labels)
        return loss
