"""Kernels written out by hand, for models whose shapes are published and whose source is not here.

Everything is per sample. A dense layer of `inputs` x `outputs` over `tokens` does tokens x inputs x outputs
multiply-accumulates forward, as many again for its weights' gradients and, unless it is the first one, as many for its
input's. Mixed precision: activations of 2 bytes, weights and the optimizer's state of 4.
"""

from __future__ import annotations

from dataclasses import dataclass

from wafer_sim.fabric.work import Kernel

_ACTIVATION = 2
_WEIGHT = 4
_ADAM = 12  # operations per weight of one update
_SGD = 4


@dataclass(frozen=True, slots=True)
class Node:
    """Where a kernel is in its model: its name, what feeds it, in how many parts a sample comes (tokens, rows)."""

    name: str
    inputs: tuple[str, ...]
    parts: int = 1


@dataclass(frozen=True, slots=True)
class Optimizer:
    """bytes: of its state, per weight. operations: of one update, per weight."""

    bytes: int
    operations: int


ADAM = Optimizer(8, _ADAM)
SGD_MOMENTUM = Optimizer(4, _SGD)


def dense(node: Node, rows: int, columns: int, optimizer: Optimizer, after: int = 0) -> Kernel:
    """A layer of rows x columns weights with its bias; `after`: operations per output of what is fused behind it."""
    tokens = node.parts
    weights, macs, outputs = rows * columns + columns, tokens * rows * columns, tokens * columns
    return Kernel(
        name=node.name,
        kind="matmul",
        inputs=node.inputs,
        macs=macs,
        other=outputs * (1 + after),
        backward_macs=macs * (2 if node.inputs else 1),
        backward_other=outputs * (1 + after),
        bytes_in=tokens * rows * _ACTIVATION,
        bytes_out=outputs * _ACTIVATION,
        weight_bytes=weights * _WEIGHT,
        optimizer_bytes=weights * optimizer.bytes,
        update=weights * optimizer.operations,
        kept_bytes=tokens * (rows + (columns if after else 0)) * _ACTIVATION,
        most_cores=rows * columns,
        parts=tokens,
    )


def pointwise(node: Node, kind: str, values: int, operations: int) -> Kernel:
    """So many operations for each of `values` numbers, and twice as many backward."""
    return Kernel(
        name=node.name,
        kind=kind,
        inputs=node.inputs,
        macs=0,
        other=values * operations,
        backward_macs=0,
        backward_other=2 * values * operations,
        bytes_in=values * _ACTIVATION * len(node.inputs),
        bytes_out=values * _ACTIVATION,
        weight_bytes=0,
        optimizer_bytes=0,
        update=0,
        kept_bytes=values * _ACTIVATION,
        most_cores=values,
        parts=node.parts,
    )


def embedding(name: str, vocabulary: int, hidden: int, tokens: int, optimizer: Optimizer) -> Kernel:
    """Rows of a table, one for each token and one for its place."""
    values, weights = tokens * hidden, (vocabulary + tokens) * hidden
    return Kernel(
        name=name,
        kind="embedding",
        inputs=(),
        macs=0,
        other=2 * values,
        backward_macs=0,
        backward_other=values,
        bytes_in=tokens * 4,
        bytes_out=values * _ACTIVATION,
        weight_bytes=weights * _WEIGHT,
        optimizer_bytes=weights * optimizer.bytes,
        update=weights * optimizer.operations,
        kept_bytes=tokens * 4,
        most_cores=weights,
        parts=tokens,
    )


def attention(name: str, inputs: tuple[str, ...], tokens: int, hidden: int, heads: int) -> Kernel:
    """Scores, softmax and the weighted sum of values. Probabilities are made again in the backward pass, not kept."""
    macs, scores = 2 * tokens * tokens * hidden, tokens * tokens * heads
    return Kernel(
        name=name,
        kind="attention",
        inputs=inputs,
        macs=macs,
        other=8 * scores,
        backward_macs=2 * macs + macs // 2,
        backward_other=16 * scores,
        bytes_in=3 * tokens * hidden * _ACTIVATION,
        bytes_out=tokens * hidden * _ACTIVATION,
        weight_bytes=0,
        optimizer_bytes=0,
        update=0,
        kept_bytes=3 * tokens * hidden * _ACTIVATION,
        most_cores=tokens * hidden * heads,
    )


def convolution(node: Node, side: int, channels: int, filters: int, window: int = 3) -> Kernel:
    """A convolution with bias and ReLU over side x side places, trained with Adam."""
    weights = window * window * channels * filters + filters
    macs, outputs = side * side * window * window * channels * filters, side * side * filters
    return Kernel(
        name=node.name,
        kind="convolution",
        inputs=node.inputs,
        macs=macs,
        other=2 * outputs,
        backward_macs=macs * (2 if node.inputs else 1),
        backward_other=2 * outputs,
        bytes_in=side * side * channels * _ACTIVATION,
        bytes_out=outputs * _ACTIVATION,
        weight_bytes=weights * _WEIGHT,
        optimizer_bytes=weights * ADAM.bytes,
        update=weights * ADAM.operations,
        kept_bytes=side * side * (channels + filters) * _ACTIVATION,
        most_cores=outputs * channels,
        parts=node.parts,
    )
