"""Networks of the documents in plain torch, small, and captured as a user's models are."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from clients.pytorch import PyTorchBaseModel
from clients.pytorch.capture import capture
from wafer_sim.compiler.program import EVALUATE, GRADIENTS, Argument, Entry, Graph, Node, Program, Ref

ROWS = 4
TRAIN, EVAL = Entry(GRADIENTS, ROWS), Entry(EVALUATE, ROWS)
WORDS, LENGTH = 30, 8


class Model(PyTorchBaseModel):
    """A network as the wafer takes it."""

    def __init__(self, net: nn.Module, mixed: bool) -> None:
        section = {"optimizer_type": "adam", "learning_rate": 0.1}
        super().__init__({"model": {"mixed_precision": mixed}, "optimizer": section, "runconfig": {}}, net)

    def __call__(self, data: Any) -> Tensor:
        return self.model(*data)


class Dense(nn.Module):
    """Fully connected layers."""

    def __init__(self, *sizes: int, dropout: float = 0.2) -> None:
        super().__init__()
        self.fc = nn.ModuleList(nn.Linear(given, wanted) for given, wanted in pairwise(sizes))
        self.dropout = nn.Dropout(dropout)

    def forward(self, inputs: Tensor, labels: Tensor) -> Tensor:
        x = inputs.flatten(1)
        for layer in self.fc[:-1]:
            x = self.dropout(functional.relu(layer(x)))
        return functional.nll_loss(functional.log_softmax(self.fc[-1](x), 1), labels)


class Regression(nn.Module):
    """One layer and a squared error."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(6, 2)

    def forward(self, inputs: Tensor, wanted: Tensor) -> Tensor:
        return functional.mse_loss(torch.tanh(self.fc(inputs)), wanted)


class Conv(nn.Module):
    """Convolutions, pooling and a dense layer."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, 4, 3, padding=1)
        self.second = nn.Conv2d(4, 6, 3, stride=2)
        self.last = nn.Linear(6 * 3 * 3, 10)

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        x = functional.max_pool2d(functional.relu(self.first(images)), 2)
        x = functional.relu(self.second(x))
        return functional.cross_entropy(self.last(x.flatten(1)), labels)


class UNet(nn.Module):
    """Down, up again, and a concatenation."""

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.GroupNorm(2, 4), nn.ReLU())
        self.middle = nn.Sequential(nn.Conv2d(4, 8, 3, padding=1), nn.GroupNorm(2, 8), nn.ReLU())
        self.up = nn.ConvTranspose2d(8, 4, 2, 2)
        self.after = nn.Sequential(nn.Conv2d(8, 4, 3, padding=1), nn.ReLU())
        self.out = nn.Conv2d(4, 1, 1)

    def forward(self, images: Tensor, masks: Tensor) -> Tensor:
        high = self.down(images)
        low = self.middle(functional.max_pool2d(high, 2))
        x = self.after(torch.cat([self.up(low), high], 1))
        return functional.binary_cross_entropy_with_logits(self.out(x), masks)


class Block(nn.Module):
    """Attention and two dense layers, with the norm before or behind."""

    def __init__(self, width: int, heads: int, before: bool) -> None:
        super().__init__()
        self.heads, self.before = heads, before
        self.query, self.key, self.value, self.output = (nn.Linear(width, width) for _ in range(4))
        self.wide, self.narrow = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.dropout = nn.Dropout(0.1)

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
    """Embeddings, blocks, a tied head and a pooled one."""

    def __init__(self, layers: int = 2, width: int = 8) -> None:
        super().__init__()
        self.words, self.places = nn.Embedding(WORDS, width), nn.Embedding(LENGTH, width)
        self.norm = nn.LayerNorm(width)
        self.layers = nn.ModuleList(Block(width, 2, before=False) for _ in range(layers))
        self.head, self.pool, self.next = nn.Linear(width, width), nn.Linear(width, width), nn.Linear(width, 2)
        self.bias = nn.Parameter(torch.zeros(WORDS))

    def forward(self, words: Tensor, mask: Tensor, labels: Tensor, following: Tensor) -> Tensor:
        x = self.norm(self.words(words) + self.places(torch.arange(LENGTH)))
        hidden = (1.0 - mask[:, None, None, :].float()) * -10000.0
        for layer in self.layers:
            x = layer(x, hidden)
        logits = functional.linear(functional.gelu(self.head(x)), self.words.weight, self.bias)
        loss = functional.cross_entropy(logits.flatten(0, 1), labels.flatten())
        return loss + functional.cross_entropy(self.next(torch.tanh(self.pool(x[:, 0]))), following)


class Gpt2(nn.Module):
    """Blocks with the norm before, a causal mask, and a tied head."""

    def __init__(self, layers: int = 2, width: int = 8) -> None:
        super().__init__()
        self.words, self.places = nn.Embedding(WORDS, width), nn.Embedding(LENGTH, width)
        self.layers = nn.ModuleList(Block(width, 2, before=True) for _ in range(layers))
        self.norm = nn.LayerNorm(width)

    def forward(self, words: Tensor, labels: Tensor) -> Tensor:
        x = self.words(words) + self.places(torch.arange(LENGTH))
        mask = torch.full((LENGTH, LENGTH), -math.inf).triu(1)
        for layer in self.layers:
            x = layer(x, mask)
        logits = functional.linear(self.norm(x), self.words.weight)
        return functional.cross_entropy(logits.flatten(0, 1), labels.flatten())


class T5(nn.Module):
    """The root-mean-square norm and gated dense layers."""

    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.words = nn.Embedding(WORDS, width)
        self.scale = nn.Parameter(torch.ones(width))
        self.gate, self.wide = nn.Linear(width, 16, bias=False), nn.Linear(width, 16, bias=False)
        self.narrow, self.head = nn.Linear(16, width, bias=False), nn.Linear(width, WORDS, bias=False)

    def forward(self, words: Tensor, labels: Tensor) -> Tensor:
        x = self.words(words)
        y = self.scale * (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6))
        x = x + self.narrow(functional.gelu(self.gate(y)) * self.wide(y))
        return functional.cross_entropy(self.head(x).flatten(0, 1), labels.flatten())


class Attention(nn.Module):
    """One block on vectors: the smallest model with an attention."""

    def __init__(self) -> None:
        super().__init__()
        self.block = Block(4, 1, before=False)
        self.last = nn.Linear(4, 3)

    def forward(self, inputs: Tensor, labels: Tensor) -> Tensor:
        x = self.block(inputs, torch.zeros(2, 2))
        return functional.cross_entropy(self.last(x[:, 0]), labels)


def batch(name: str) -> tuple[Tensor, ...]:
    """A batch of any values."""
    words = torch.arange(ROWS * LENGTH).reshape(ROWS, LENGTH) % WORDS
    labels = torch.arange(ROWS)
    return {
        "dense": (torch.ones(ROWS, 6), labels % 3),
        "fc_mnist": (torch.ones(ROWS, 28, 28), labels),
        "regression": (torch.ones(ROWS, 6), torch.ones(ROWS, 2)),
        "conv": (torch.ones(ROWS, 1, 16, 16), labels),
        "unet": (torch.ones(ROWS, 3, 8, 8), torch.ones(ROWS, 1, 8, 8)),
        "attention": (torch.ones(ROWS, 2, 4), labels % 3),
        "bert": (words, words % 2, words, labels % 2),
        "gpt2": (words, words),
        "t5": (words, words),
    }[name]


def beside(one: Program, times: int) -> Program:
    """So many copies of a program for training, their losses added: as many calls as a model so much deeper has."""
    width, graph = len(one.parameters), one.graphs[TRAIN]
    made = max(n for node in graph.nodes for n in node.outputs if n is not None) + 1
    size, first = made - width - len(one.inputs), times * width + len(one.inputs)
    nodes, outputs = [], {}
    for copy in range(times):
        names = {i: copy * width + i for i in range(width)}
        names |= {i: i - width + times * width for i in range(width, width + len(one.inputs))}
        names |= {i: first + copy * size + i - width - len(one.inputs) for i in range(width + len(one.inputs), made)}
        nodes += [_renumbered(node, names) for node in graph.nodes]
        outputs |= {_beside(name, copy): Ref(names[ref.index]) for name, ref in graph.outputs.items()}
    total = first + times * size
    for copy in range(1, times):
        left = outputs.pop("loss/0") if copy == 1 else Ref(total + copy - 2)
        nodes.append(Node("aten.add.Tensor", (left, outputs.pop(f"loss/{copy}")), {}, (total + copy - 1,)))
    copies = [
        replace(p, tensor=replace(p.tensor, name=f"{c}.{p.tensor.name}")) for c in range(times) for p in one.parameters
    ]
    outputs["loss"] = Ref(total + times - 2)
    return Program(tuple(copies), one.inputs, {TRAIN: Graph(tuple(nodes), outputs)})


def _beside(name: str, copy: int) -> str:
    return f"loss/{copy}" if name == "loss" else name.replace("grad/", f"grad/{copy}.")


def _renumbered(node: Node, names: dict[int, int]) -> Node:
    def walk(argument: Argument) -> Argument:
        if isinstance(argument, Ref):
            return Ref(names[argument.index])
        return tuple(map(walk, argument)) if isinstance(argument, tuple) else argument

    outputs = tuple(None if n is None else names[n] for n in node.outputs)
    return Node(
        node.op, tuple(map(walk, node.args)), {k: walk(v) for k, v in node.kwargs.items()}, outputs, node.source
    )


def program(name: str, mixed: bool = False) -> Program:
    """A captured network, for training and for evaluation."""
    nets = {
        "dense": lambda: Dense(6, 5, 3),
        "fc_mnist": lambda: Dense(784, 500, 300, 10),
        "regression": Regression,
        "conv": Conv,
        "unet": UNet,
        "attention": Attention,
        "bert": Bert,
        "gpt2": Gpt2,
        "t5": T5,
    }
    return capture(Model(nets[name](), mixed), batch(name), [TRAIN, EVAL])
