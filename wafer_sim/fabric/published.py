"""The models of published runs as works, written out by hand from their published shapes; and what was published.

Also a U-Net, of which nothing is published: to see how well a placement fills the wafer.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from wafer_sim.fabric.layers import (
    ADAM,
    SGD_MOMENTUM,
    Node,
    Optimizer,
    attention,
    convolution,
    dense,
    embedding,
    pointwise,
)
from wafer_sim.fabric.result import PIPELINE, WEIGHT_STREAMING
from wafer_sim.fabric.work import TRAINING, Kernel, Work

_PIXEL, _TOKEN = 2, 4  # bytes of a sample's values as they arrive


def mlp(sizes: tuple[int, ...], batch_size: int, optimizer: Optimizer) -> Work:
    """Fully connected layers with ReLU and dropout, and the cross entropy over the last size."""
    layers: list[Kernel] = []
    for i, (rows, columns) in enumerate(pairwise(sizes)):
        last = i == len(sizes) - 2
        before = (layers[-1].name,) if layers else ()
        layers.append(dense(Node(f"fc{i + 1}", before), rows, columns, optimizer, after=0 if last else 3))
    loss = pointwise(Node("loss", (layers[-1].name,)), "cross_entropy", sizes[-1], 10)
    return Work((*layers, loss), TRAINING, batch_size, sizes[0] * _PIXEL + _TOKEN)


@dataclass(frozen=True, slots=True)
class Transformer:
    """heads: of attention. feed_forward: its inner size. masked: tokens that the head is applied to. parallel:
    attention and feed-forward take the same input, as GPT-J has it."""

    layers: int
    hidden: int
    feed_forward: int
    heads: int
    vocabulary: int
    tokens: int
    masked: int
    parallel: bool = False


def transformer(shape: Transformer, batch_size: int) -> Work:
    """Token embedding, layers of attention and feed-forward, and the language model's head, trained with Adam."""
    kernels = [embedding("embedding", shape.vocabulary, shape.hidden, shape.tokens, ADAM)]
    for i in range(shape.layers):
        kernels += _layer(shape, f"layer{i}", kernels[-1].name)
    kernels += _head(shape, kernels[-1].name)
    return Work(tuple(kernels), TRAINING, batch_size, shape.tokens * _TOKEN * 3)


def _layer(shape: Transformer, name: str, before: str) -> Iterator[Kernel]:
    hidden, tokens, values = shape.hidden, shape.tokens, shape.tokens * shape.hidden
    yield pointwise(Node(f"{name}.norm1", (before,), tokens), "layer_norm", values, 8)
    yield dense(Node(f"{name}.qkv", (f"{name}.norm1",), tokens), hidden, 3 * hidden, ADAM)
    yield attention(f"{name}.attention", (f"{name}.qkv",), tokens, hidden, shape.heads)
    yield dense(Node(f"{name}.out", (f"{name}.attention",), tokens), hidden, hidden, ADAM)
    branch = f"{name}.norm1"
    if not shape.parallel:
        yield pointwise(Node(f"{name}.add1", (f"{name}.out", before), tokens), "add", values, 1)
        yield pointwise(Node(f"{name}.norm2", (f"{name}.add1",), tokens), "layer_norm", values, 8)
        branch = f"{name}.norm2"
    yield dense(Node(f"{name}.ff1", (branch,), tokens), hidden, shape.feed_forward, ADAM, after=8)
    yield dense(Node(f"{name}.ff2", (f"{name}.ff1",), tokens), shape.feed_forward, hidden, ADAM)
    both = (f"{name}.ff2", f"{name}.out", before) if shape.parallel else (f"{name}.ff2", f"{name}.add1")
    yield pointwise(Node(f"{name}.add2", both, tokens), "add", values, 1)


def _head(shape: Transformer, before: str) -> Iterator[Kernel]:
    yield pointwise(Node("head.norm", (before,), shape.masked), "layer_norm", shape.masked * shape.hidden, 8)
    yield dense(Node("head.vocabulary", ("head.norm",), shape.masked), shape.hidden, shape.vocabulary, ADAM)
    guesses = shape.masked * shape.vocabulary
    yield pointwise(Node("loss", ("head.vocabulary",), shape.masked), "cross_entropy", guesses, 10)


def unet(side: int, channels: int, filters: int, depth: int, batch_size: int) -> Work:
    """Two convolutions a level, half the side and twice the filters from level to level, and the same way up again."""
    kernels = list(_down(side, channels, filters, depth))
    for level in reversed(range(depth)):
        here, wide = side >> level, filters << level
        up, skip = f"up{level}", (f"down{level}b",)
        kernels.append(convolution(Node(f"{up}.transposed", (kernels[-1].name,), here), here, 2 * wide, wide, 2))
        kernels.append(convolution(Node(f"{up}a", (kernels[-1].name, *skip), here), here, 2 * wide, wide))
        kernels.append(convolution(Node(f"{up}b", (kernels[-1].name,), here), here, wide, wide))
    kernels.append(convolution(Node("classes", (kernels[-1].name,), side), side, filters, 1, 1))
    kernels.append(pointwise(Node("loss", ("classes",), side), "cross_entropy", side * side, 10))
    return Work(tuple(kernels), TRAINING, batch_size, side * side * (channels + 1) * _PIXEL)


def _down(side: int, channels: int, filters: int, depth: int) -> Iterator[Kernel]:
    before: tuple[str, ...] = ()
    for level in range(depth + 1):
        here, wide = side >> level, filters << level
        first = channels if level == 0 else wide // 2
        if level:
            yield pointwise(Node(f"pool{level}", before, here), "max_pool", here * here * first, 4)
            before = (f"pool{level}",)
        yield convolution(Node(f"down{level}a", before, here), here, first, wide)
        yield convolution(Node(f"down{level}b", (f"down{level}a",), here), here, wide, wide)
        before = (f"down{level}b",)


FC_MNIST_TF = mlp((784, 500, 300, 10), 256, ADAM)
FC_MNIST_PYTORCH = mlp((784, *[50] * 10, 10), 128, SGD_MOMENTUM)
BERT_LARGE = transformer(Transformer(24, 1024, 4096, 16, 30_522, 128, 20), 256)
GPT_J = transformer(Transformer(28, 4096, 16_384, 16, 50_400, 2_048, 2_048, parallel=True), 60)
U_NET = unet(256, 3, 32, 4, 64)


@dataclass(frozen=True, slots=True)
class Published:
    """A figure of a real machine. name, note: in words. systems: how many machines it took. measured: the run itself,
    not what CSoft's compiler had estimated, so its input may have been what limited it. figure: "samples/s", "delta_t"
    or "cores" (share of all, in per cent)."""

    name: str
    work: Work
    strategy: str
    figure: str
    value: float
    measured: bool
    note: str = ""
    systems: int = 1


_NEOCORTEX = "FC-MNIST TF, 784-500-300-10, batch 256"
_INPUT_BOUND = "its input was the limit"
RUNS = (
    Published(_NEOCORTEX, FC_MNIST_TF, PIPELINE, "delta_t", 464, False, "older PSC sample"),
    Published(_NEOCORTEX, FC_MNIST_TF, PIPELINE, "delta_t", 169, False, "the other published one"),
    Published(_NEOCORTEX, FC_MNIST_TF, PIPELINE, "samples/s", 1_831_896, False, "older PSC sample"),
    Published(_NEOCORTEX, FC_MNIST_TF, PIPELINE, "cores", 0.76, False),
    Published(_NEOCORTEX, FC_MNIST_TF, PIPELINE, "samples/s", 614_040, True, f"R1.6, best of three; {_INPUT_BOUND}"),
    Published(_NEOCORTEX, FC_MNIST_TF, PIPELINE, "samples/s", 479_188, True, f"ALCF R1.5; {_INPUT_BOUND}"),
    Published("FC-MNIST PyTorch, 10 x 50", FC_MNIST_PYTORCH, PIPELINE, "samples/s", 149_740, True,
              f"R1.7.1, the highest Rate; {_INPUT_BOUND}"),
    Published("BERT-Large MSL128", BERT_LARGE, PIPELINE, "samples/s", 4_048, True, "R2.0.3; strategy unknown"),
    Published("BERT-Large MSL128", BERT_LARGE, WEIGHT_STREAMING, "samples/s", 4_048, True, "the same run"),
    Published("GPT-J 6B", GPT_J, WEIGHT_STREAMING, "samples/s", 27.5, True, "R1.7.1, two systems", systems=2),
)  # fmt: skip
