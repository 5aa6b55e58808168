"""Programs for tests, traced with torch.export. Kept apart from clients/, which does it for users."""

from __future__ import annotations

import operator
import warnings
from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

import torch
from torch import nn
from torch.export.experimental import _export_forward_backward
from torch.export.graph_signature import InputKind
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel

from wafer_sim.compiler.program import (
    EVALUATE,
    GRADIENTS,
    Argument,
    Constant,
    Entry,
    Graph,
    Node,
    Parameter,
    Program,
    Ref,
    Tensor,
)

_CONSTANTS = {
    torch.dtype: "dtype",
    torch.device: "device",
    torch.layout: "layout",
    torch.memory_format: "memory_format",
}


class _Bare(nn.Module):
    def __init__(self, model: nn.Module, bfloat16: bool) -> None:
        super().__init__()
        self.model = model
        self.bfloat16 = bfloat16

    def forward(self, *batch: torch.Tensor) -> torch.Tensor:
        with torch.autocast("cpu", dtype=torch.bfloat16) if self.bfloat16 else nullcontext():
            return self.model(*batch)


def trace(model: nn.Module, batch: Sequence[torch.Tensor], rows: Sequence[int], bfloat16: bool = False) -> Program:
    """The program of a model whose forward gives the loss: gradients and evaluation for each number of rows."""
    state = dict(model.named_parameters())
    buffers = dict(model.named_buffers())
    names = [*state, *buffers]
    parameters = tuple(
        Parameter(Tensor(n, tuple(t.shape), _name(t.dtype)), n in state) for n, t in (state | buffers).items()
    )
    fields = ("data", "labels", "more")
    inputs = tuple(Tensor(n, tuple(t.shape[1:]), _name(t.dtype)) for n, t in zip(fields, batch, strict=False))
    graphs = {}
    for count in rows:
        sized = tuple(t[:1].expand(count, *t.shape[1:]).clone() for t in batch)
        for kind in (GRADIENTS, EVALUATE):
            graphs[Entry(kind, count)] = _graph(_Bare(model, bfloat16).train(kind == GRADIENTS), sized, kind, names)
    return Program(parameters, inputs, graphs)


def weights_of(model: nn.Module) -> dict[str, Any]:
    """The weights of a model as the executor takes them."""
    tensors = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    return {name: t.detach().numpy().copy() for name, t in tensors.items()}


def _graph(model: nn.Module, batch: tuple[torch.Tensor, ...], kind: str, names: list[str]) -> Graph:
    with warnings.catch_warnings(), sdpa_kernel(SDPBackend.MATH):
        warnings.simplefilter("ignore")
        exported = torch.export.export(model, batch)
        exported = _export_forward_backward(exported) if kind == GRADIENTS else exported.run_decompositions()
    signature = exported.graph_signature
    numbers: dict[Any, int] = {}
    taken = len(names)
    specs = zip((n for n in exported.graph.nodes if n.op == "placeholder"), signature.input_specs, strict=True)
    for node, spec in specs:
        if spec.kind is InputKind.USER_INPUT:
            numbers[node], taken = taken, taken + 1
        else:
            numbers[node] = names.index(str(spec.target).removeprefix("model."))
    nodes = []
    for node in exported.graph.nodes:
        if node.op == "call_function" and node.target is not operator.getitem:
            users = {u.args[1]: u for u in node.users if u.target is operator.getitem}
            count = 1 + max(users, default=0) if node.target._schema.returns else 1
            count = max(count, len(node.target._schema.returns)) if users else 1
            outs: list[int | None] = [None] * count
            for position, user in (users or {0: node}).items():
                numbers[user] = outs[position] = taken
                taken += 1
            args = tuple(_argument(a, numbers) for a in node.args)
            kwargs = {k: _argument(v, numbers) for k, v in node.kwargs.items()}
            nodes.append(Node(str(node.target), args, kwargs, tuple(outs), "model.py:7"))
    (ends,) = (n for n in exported.graph.nodes if n.op == "output")
    outputs = {}
    for end, spec in zip(ends.args[0], signature.output_specs, strict=True):
        target = str(spec.target).removeprefix("model.")
        labels = {"GRADIENT_TO_PARAMETER": f"grad/{target}", "BUFFER_MUTATION": f"buffer/{target}"}
        label = labels.get(spec.kind.name, "loss")
        if kind == GRADIENTS or label == "loss":
            outputs[label] = Ref(numbers[end])
    return Graph(tuple(nodes), outputs)


def _argument(value: Any, numbers: dict[Any, int]) -> Argument:
    if isinstance(value, torch.fx.Node):
        return Ref(numbers[value])
    if isinstance(value, list | tuple):
        return tuple(_argument(v, numbers) for v in value)
    for kind, name in _CONSTANTS.items():
        if isinstance(value, kind):
            return Constant(name, _name(value))
    return value


def _name(value: Any) -> str:
    return str(value).removeprefix("torch.")


class Mlp(nn.Module):
    """Data (rows, 12) and labels (rows) in 0..4 -> loss."""

    def __init__(self, dropout: float = 0.0) -> None:
        super().__init__()
        torch.manual_seed(1)
        drop = [nn.Dropout(dropout)] if dropout else []
        self.layers = nn.Sequential(nn.Linear(12, 16), nn.ReLU(), *drop, nn.Linear(16, 8), nn.Tanh(), nn.Linear(8, 5))

    def forward(self, data: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        return functional.nll_loss(functional.log_softmax(self.layers(data), -1), labels)


class ConvNet(nn.Module):
    """Images (rows, 1, 12, 12) and labels in 0..4 -> loss."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(2)
        self.one, self.two = nn.Conv2d(1, 4, 3, padding=1), nn.Conv2d(4, 6, 3)
        self.norm, self.out = nn.GroupNorm(2, 6), nn.Linear(6 * 3 * 3, 5)

    def forward(self, data: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        hidden = functional.max_pool2d(functional.elu(self.one(data)), 2)
        hidden = functional.avg_pool2d(functional.selu(self.norm(self.two(hidden))), 2, stride=1)
        return functional.cross_entropy(self.out(hidden.flatten(1)), labels)


class BatchNormNet(nn.Module):
    """Data (rows, 12) and labels in 0..4 -> loss; its running statistics are buffers that training changes."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.one, self.norm, self.out = nn.Linear(12, 6), nn.BatchNorm1d(6), nn.Linear(6, 5)

    def forward(self, data: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        return functional.cross_entropy(self.out(functional.gelu(self.norm(self.one(data)))), labels)


class Attention(nn.Module):
    """Tokens (rows, 6) in 0..19, twice -> loss: embedding tied to the output, layer norm, causal attention."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(4)
        self.embed, self.place = nn.Embedding(20, 8), nn.Parameter(torch.randn(6, 8))
        self.norm, self.heads, self.mix = nn.LayerNorm(8), nn.Linear(8, 24), nn.Linear(8, 8)

    def forward(self, tokens: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        hidden = self.norm(self.embed(tokens) + self.place)
        q, k, v = self.heads(hidden).view(*hidden.shape[:2], 3, 2, 4).permute(2, 0, 3, 1, 4).unbind(0)
        mixed = functional.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).flatten(2)
        hidden = hidden + functional.gelu(self.mix(mixed))
        return functional.cross_entropy(functional.linear(hidden, self.embed.weight).flatten(0, 1), labels.flatten())


class Regression(nn.Module):
    """Data (rows, 12) and targets (rows, 3) -> mean squared error."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(5)
        self.one, self.two = nn.Linear(12, 6), nn.Linear(6, 3)

    def forward(self, data: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return functional.mse_loss(self.two(torch.sigmoid(self.one(data))), targets)


def images(rows: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(rows, 1, 12, 12, generator=generator), torch.randint(5, (rows,), generator=generator)


def samples(rows: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(rows, 12, generator=generator), torch.randint(5, (rows,), generator=generator)


def targets(rows: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(rows, 12, generator=generator), torch.randn(rows, 3, generator=generator)


def tokens(rows: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(20, (rows, 6), generator=generator), torch.randint(20, (rows, 6), generator=generator)


NETS = {
    "mlp": (Mlp, samples),
    "conv": (ConvNet, images),
    "batch norm": (BatchNormNet, samples),
    "attention": (Attention, tokens),
    "regression": (Regression, targets),
}
