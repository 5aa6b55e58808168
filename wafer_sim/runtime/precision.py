"""How float16 is computed on a processor that has no units for it: in float32, with or without its rounding.

A program says float16 where the wafer has float16. Without emulation every such value is a float32 here. With it each
is a float16, and matrix products multiply float16 and add in float32, as the wafer does: a product of two float16 is
exact in float32.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from wafer_sim.compiler.precision import dtypes_of
from wafer_sim.compiler.program import Argument, Constant, Graph, Node
from wafer_sim.kernels.aten import KERNELS

PRODUCTS = frozenset(k.op for k in KERNELS.values() if k.family in ("matmul", "convolution"))
"""What the processor is many times slower at in float16 than in float32."""

_HALF_TO_FLOAT = frozenset({"aten._softmax.default", "aten._log_softmax.default"})


def in_float32(graph: Graph) -> Graph:
    """The same graph with float32 in the place of float16."""
    if not mentions_float16(graph):
        return graph
    return Graph(tuple(map(_in_float32, graph.nodes)), graph.outputs)


def mentions_float16(graph: Graph) -> bool:
    """Whether a value of a graph becomes a float16."""
    return "float16" in dtypes_of(graph)


def widely(run: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """A product of float16 tensors, added up in float32 and rounded once; of other tensors as it is."""
    if not any(isinstance(a, Tensor) and a.dtype is torch.float16 for a in args):
        return run(*args, **kwargs)
    result = run(*map(_widened, args), **kwargs)
    return result.half() if isinstance(result, Tensor) else tuple(None if r is None else r.half() for r in result)


def _widened(value: Any) -> Any:
    return value.float() if isinstance(value, Tensor) and value.dtype is torch.float16 else value


def _in_float32(node: Node) -> Node:
    args = tuple(map(_float32, node.args))
    if node.op in _HALF_TO_FLOAT:  # the last argument widens a float16, and there is none
        args = (*args[:2], False)
    return replace(node, args=args, kwargs={key: _float32(value) for key, value in node.kwargs.items()})


def _float32(argument: Argument) -> Argument:
    if isinstance(argument, tuple):
        return tuple(map(_float32, argument))
    is_float16 = isinstance(argument, Constant) and argument.kind == "dtype" and argument.name == "float16"
    return Constant("dtype", "float32") if is_float16 else argument
