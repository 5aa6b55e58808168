"""BERT as its paper has it: masked words and the next sentence."""

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from clients.pytorch import PyTorchBaseModel


class Block(nn.Module):
    """Attention and two dense layers, with the norm before or behind."""

    def __init__(self, width: int, heads: int, before: bool, dropout: float) -> None:
        super().__init__()
        self.heads, self.before = heads, before
        self.query, self.key, self.value, self.output = (nn.Linear(width, width) for _ in range(4))
        self.wide, self.narrow = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)

    def attend(self, x: Tensor, mask: Tensor) -> Tensor:
        split = (*x.shape[:2], self.heads, x.shape[2] // self.heads)
        q, k, v = (part(x).view(split).transpose(1, 2) for part in (self.query, self.key, self.value))
        scores = q @ k.transpose(-1, -2) / math.sqrt(split[-1]) + mask
        return self.output((self.dropout(scores.softmax(-1)) @ v).transpose(1, 2).reshape(x.shape))

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        if self.before:
            x = x + self.dropout(self.attend(self.norm1(x), mask))
            return x + self.dropout(self.narrow(functional.gelu(self.wide(self.norm2(x)))))
        x = self.norm1(x + self.dropout(self.attend(x, mask)))
        return self.norm2(x + self.dropout(self.narrow(functional.gelu(self.wide(x)))))


class Bert(nn.Module):
    """Embeddings, blocks, a tied head over the masked places and one over the first word."""

    def __init__(self, *, words: int, length: int, layers: int, width: int, heads: int, dropout: float = 0.1) -> None:
        super().__init__()
        self.words, self.places = nn.Embedding(words, width), nn.Embedding(length, width)
        self.norm = nn.LayerNorm(width)
        self.layers = nn.ModuleList(Block(width, heads, before=False, dropout=dropout) for _ in range(layers))
        self.head, self.pool, self.next = nn.Linear(width, width), nn.Linear(width, width), nn.Linear(width, 2)
        self.bias = nn.Parameter(torch.zeros(words))

    def forward(self, words: Tensor, mask: Tensor, masked: Tensor, labels: Tensor, following: Tensor) -> Tensor:
        """words, mask: (batch, length); masked, labels: (batch, masked places); following: (batch,). The mean loss."""
        x = self.norm(self.words(words) + self.places(torch.arange(words.shape[1])))
        hidden = (1.0 - mask[:, None, None, :].float()) * -10000.0
        for layer in self.layers:
            x = layer(x, hidden)
        guessed = torch.gather(x, 1, masked[:, :, None].expand(-1, -1, x.shape[2]))
        logits = functional.linear(functional.gelu(self.head(guessed)), self.words.weight, self.bias)
        loss = functional.cross_entropy(logits.flatten(0, 1), labels.flatten())
        return loss + functional.cross_entropy(self.next(torch.tanh(self.pool(x[:, 0]))), following)


class BertModel(PyTorchBaseModel):
    """BERT as the wafer takes it. The `model` section has its sizes."""

    def __init__(self, params: dict[str, Any], device: torch.device | None = None) -> None:
        sizes = {name: params["model"][name] for name in ("words", "length", "layers", "width", "heads", "dropout")}
        super().__init__(params=params, model=Bert(**sizes), device=device)

    def __call__(self, data: Any) -> Tensor:
        return self.model(*data)
