"""The kernel library as a table that a person reads."""

from __future__ import annotations

from dataclasses import dataclass

from wafer_sim.kernels.registry import REGISTRY, Kernel


@dataclass(frozen=True, slots=True)
class Row:
    """One kernel. pytorch: without "aten." and ".default". cost, limits: in words."""

    kernel: str
    family: str
    pytorch: tuple[str, ...]
    tensorflow: tuple[str, ...]
    cost: str
    limits: str


_COSTS = {
    "matmul": "rows x length x columns multiply-accumulates",
    "convolution": "elements of the result x filter x channels multiply-accumulates",
    "pooling": "{n} for each element of each window",
    "reduction": "{n} for each element reduced",
    "norm": "{n} for each element",
    "update": "{n} for each weight",
}
_FREE = ("view", "constant", "state", "assertion")
_LIMITS = {
    "conv": "TensorFlow: 1 to 3 dimensions, any groups; gradients of the same",
    "max_pool": "PyTorch: two dimensions, no third",
    "avg_pool": "PyTorch: one or two dimensions",
    "resize": "forward only in PyTorch: its gradient has no kernel",
    "gather": "indices are numbers: a mask gives a shape that depends on the data",
    "matmul": "an einsum names every axis",
    "constant": "lengths are known when it is compiled",
    "diagonal": "the main diagonal only",
    "layer_norm": "TensorFlow: Keras' layer, and norms written out",
    "rms_norm": "found in its parts: x times rsqrt(mean(x x) + epsilon)",
    "batch_norm": "PyTorch: running statistics change in evaluation only",
    "cross_entropy": "PyTorch: found in its parts, log_softmax and a gather",
    "random": "drawn from a fed key, the step and the replica",
    "space": "channels are the last axis",
}


def kernels_table() -> tuple[Row, ...]:
    """Every kernel, in the order of the library."""
    return tuple(_row(kernel) for kernel in REGISTRY.values())


def _row(kernel: Kernel) -> Row:
    ops = tuple(op.removeprefix("aten.").removesuffix(".default") for op in kernel.aten)
    limits = _LIMITS.get(kernel.name, "")
    return Row(kernel.name, kernel.family, ops, tuple(kernel.tensorflow), _cost(kernel), limits)


def _cost(kernel: Kernel) -> str:
    if kernel.family in _FREE or not kernel.operations:
        return "none"
    return _COSTS.get(kernel.family, "{n} for each element").format(n=kernel.operations)


def markdown() -> str:
    """The table as a page of the documents, family by family."""
    lines = ["# Kernels", "", *_INTRODUCTION]
    family = ""
    for row in kernels_table():
        if row.family != family:
            family = row.family
            lines += [
                "",
                f"## {family}",
                "",
                "| kernel | PyTorch (aten) | TensorFlow | operations | limits |",
                "|---|---|---|---|---|",
            ]
        cells = (row.kernel, _ticked(row.pytorch), _ticked(row.tensorflow), row.cost, row.limits)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


_INTRODUCTION = (
    "What the wafer computes: each kernel with the operations of PyTorch and TensorFlow that it matches, forward and",
    "backward, what it costs, and its limits. An operation that is not here is refused by name, at the line that uses",
    "it. A kernel without operations is one that the compiler finds in others, or that an optimizer asks for.",
    "",
    "This page is generated: `python scripts/generate_kernels.py`.",
)


def _ticked(ops: tuple[str, ...]) -> str:
    return " ".join(f"`{op}`" for op in ops)
