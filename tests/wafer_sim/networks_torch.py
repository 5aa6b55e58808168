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
from tests.projects.bert_large.model import Bert, Block
from tests.projects.unet.model import UNet
from wafer_sim.compiler.program import EVALUATE, GRADIENTS, Argument, Entry, Graph, Node, Program, Ref

ROWS = 4
TRAIN, EVAL = Entry(GRADIENTS, ROWS), Entry(EVALUATE, ROWS)
WORDS, LENGTH, BUCKETS = 30, 8, 4


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


class Gpt2(nn.Module):
    """Blocks with the norm before, a causal mask, and a tied head."""

    def __init__(self, layers: int = 2, width: int = 8, dropout: float = 0.1) -> None:
        super().__init__()
        self.words, self.places = nn.Embedding(WORDS, width), nn.Embedding(LENGTH, width)
        self.layers = nn.ModuleList(Block(width, 2, before=True, dropout=dropout) for _ in range(layers))
        self.norm = nn.LayerNorm(width)

    def forward(self, words: Tensor, labels: Tensor) -> Tensor:
        x = self.words(words) + self.places(torch.arange(LENGTH))
        mask = torch.full((LENGTH, LENGTH), -math.inf).triu(1)
        for layer in self.layers:
            x = layer(x, mask)
        logits = functional.linear(self.norm(x), self.words.weight)
        return functional.cross_entropy(logits.flatten(0, 1), labels.flatten())


class RootMeanSquare(nn.Module):
    """The norm of T5, written out."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        return self.scale * (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6))


class Reading(nn.Module):
    """Attention without biases and without a scale, of what comes to what is there."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = RootMeanSquare(width)
        self.query, self.key, self.value, self.output = (nn.Linear(width, width, bias=False) for _ in range(4))

    def forward(self, x: Tensor, there: Tensor | None, bias: Tensor | None) -> Tensor:
        y = self.norm(x)
        there = y if there is None else there
        sides = ((self.query, y), (self.key, there), (self.value, there))
        q, k, v = (part(side).unflatten(-1, (self.heads, -1)).transpose(1, 2) for part, side in sides)
        scores = q @ k.transpose(-1, -2) if bias is None else q @ k.transpose(-1, -2) + bias
        return x + self.output((scores.softmax(-1) @ v).transpose(1, 2).flatten(2))


class Gated(nn.Module):
    """Two dense layers, of which one is the other's gate, and a third one."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = RootMeanSquare(width)
        self.gate, self.wide = nn.Linear(width, 2 * width, bias=False), nn.Linear(width, 2 * width, bias=False)
        self.narrow = nn.Linear(2 * width, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(x)
        return x + self.narrow(functional.gelu(self.gate(y), approximate="tanh") * self.wide(y))


class Stack(nn.Module):
    """One side of T5. decoding: no word sees those behind it, and all of them see what was encoded."""

    def __init__(self, layers: int, width: int, heads: int, decoding: bool) -> None:
        super().__init__()
        self.decoding = decoding
        self.distances = nn.Embedding(2 * BUCKETS, heads)
        self.own = nn.ModuleList(Reading(width, heads) for _ in range(layers))
        self.other = nn.ModuleList(Reading(width, heads) for _ in range(layers if decoding else 0))
        self.dense = nn.ModuleList(Gated(width) for _ in range(layers))
        self.norm = RootMeanSquare(width)

    def bias(self) -> Tensor:
        """By how far a word is from another, in either direction: (1, heads, LENGTH, LENGTH)."""
        places = torch.arange(LENGTH)
        far = places[None, :] - places[:, None]
        bias = self.distances(far.abs().clamp(max=BUCKETS - 1) + BUCKETS * (far > 0)).permute(2, 0, 1)[None]
        return bias.masked_fill(far > 0, -1e9) if self.decoding else bias

    def forward(self, x: Tensor, encoded: Tensor | None) -> Tensor:
        bias = self.bias()
        for number, (own, dense) in enumerate(zip(self.own, self.dense, strict=True)):
            x = own(x, None, bias)
            if self.decoding:
                x = self.other[number](x, encoded, None)
            x = dense(x)
        return self.norm(x)


class T5(nn.Module):
    """An encoder and a decoder over the same words, with a bias for how far two words are apart, and a tied head."""

    def __init__(self, layers: int = 1, width: int = 8) -> None:
        super().__init__()
        self.words = nn.Embedding(WORDS, width)
        self.encoder, self.decoder = (Stack(layers, width, 2, decoding) for decoding in (False, True))

    def forward(self, words: Tensor, labels: Tensor) -> Tensor:
        encoded = self.encoder(self.words(words), None)
        begun = functional.pad(labels[:, :-1], (1, 0))
        x = self.decoder(self.words(begun), encoded) * self.words.embedding_dim**-0.5
        return functional.cross_entropy(functional.linear(x, self.words.weight).flatten(0, 1), labels.flatten())


class Attention(nn.Module):
    """One block on vectors: the smallest model with an attention."""

    def __init__(self) -> None:
        super().__init__()
        self.block = Block(4, 1, before=False, dropout=0.1)
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
        "bert": (words, words % 2, words[:, :2] % LENGTH, words[:, :2], labels % 2),
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
        "unet": lambda: UNet(channels=3, width=4, levels=1),
        "attention": Attention,
        "bert": lambda: Bert(words=WORDS, length=LENGTH, layers=2, width=8, heads=2),
        "gpt2": Gpt2,
        "t5": T5,
    }
    return capture(Model(nets[name](), mixed), batch(name), [TRAIN, EVAL])
