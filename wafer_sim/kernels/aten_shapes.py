"""Shape rules of ATen's operations: what lengths and dtypes a call's results have."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from wafer_sim.graph.kernel_graph import Dtype
from wafer_sim.kernels import aten_view_shapes, aten_window_shapes
from wafer_sim.kernels.operands import Operand, Result, axis, broadcast, is_float, joined, promoted, reduced
from wafer_sim.kernels.registry import BY_OPERATION

Arguments = Sequence[Any]
Options = Mapping[str, Any]
Rule = Callable[[str, Arguments, Options], Result]

_KEEP_INTEGERS = frozenset(
    [
        "add",
        "sub",
        "mul",
        "neg",
        "abs",
        "sign",
        "square",
        "maximum",
        "minimum",
        "clamp",
        "select",
        "masked_fill",
        "round",
        "remainder",
        "floor_div",
        "addcmul",
        "pow",
        "nan_to_num",
        "lerp",
        "relu",
    ]
)
_INTEGERS_SUM = ("sum", "prod", "cumulative")


def aten_result(op: str, arguments: Arguments, options: Options) -> Result:
    """What a call makes. arguments, options: as in the program, with an Operand for each value.

    Raises ValueError, TypeError, IndexError or KeyError for arguments that the operation cannot have.
    """
    kernel = BY_OPERATION[op]
    name = op.split(".")[1]
    rule = _BY_NAME.get(name) or _BY_KERNEL.get(kernel.name) or _BY_FAMILY[kernel.family]
    return rule(op, arguments, options)


def argument(arguments: Arguments, options: Options, place: int, name: str, default: Any = None) -> Any:
    """An argument given by place or by name."""
    return arguments[place] if len(arguments) > place else options.get(name, default)


def _operands(arguments: Arguments) -> list[Operand]:
    return [a for a in arguments if isinstance(a, Operand)]


def _one(shape: Sequence[int], dtype: str) -> Result:
    return (Operand(tuple(shape), dtype),)


def _dtype(options: Options, default: str) -> str:
    given = options.get("dtype")
    return given.name if isinstance(given, Dtype) else default


def _elementwise(op: str, arguments: Arguments, options: Options) -> Result:
    chosen = arguments[1:] if ".where." in op else arguments[:1] if ".masked_fill." in op else arguments
    numbers = [a for a in chosen if isinstance(a, Operand | bool | int | float)]
    dtype = promoted(numbers)
    if not is_float(dtype) and BY_OPERATION[op].name not in _KEEP_INTEGERS:
        dtype = "float32"
    return _one(broadcast(o.shape for o in _operands(arguments)), dtype)


def _comparison(op: str, arguments: Arguments, _: Options) -> Result:
    kept = op.startswith("aten.bitwise")
    return _one(broadcast(o.shape for o in _operands(arguments)), promoted(arguments) if kept else "bool")


def _first(_: str, arguments: Arguments, __: Options) -> Result:
    first = _operands(arguments)[0]
    return _one(first.shape, first.dtype)


def _second(_: str, arguments: Arguments, __: Options) -> Result:
    return _one(arguments[1].shape, arguments[1].dtype)


def _log_sigmoid(_: str, arguments: Arguments, __: Options) -> Result:
    return _one(arguments[0].shape, arguments[0].dtype) * 2


def _matmul(op: str, arguments: Arguments, _: Options) -> Result:
    name = op.split(".")[1]
    if name == "linear":
        return _one((*arguments[0].shape[:-1], arguments[1].shape[0]), arguments[0].dtype)
    left, right = arguments[1:3] if name in ("addmm", "baddbmm", "addmv") else arguments[:2]
    if left.shape[-1] != right.shape[-2 if right.rank > 1 else 0]:
        raise ValueError(f"{list(left.shape)} and {list(right.shape)} have no product")
    rows = left.shape[:-1]
    return _one((*rows, right.shape[-1]) if right.rank > 1 else rows, left.dtype)


def _axes(value: Any, rank: int) -> list[int]:
    if value is None or value == ():
        return list(range(rank))
    return [value] if isinstance(value, int) else list(value)


def _reduction(op: str, arguments: Arguments, options: Options) -> Result:
    """Of an operation (self, dim, keepdim); all axes where it has no dim."""
    source = arguments[0]
    name = BY_OPERATION[op].name
    place = 2 if op in ("aten.linalg_vector_norm.default", "aten.norm.ScalarOpt_dim") else 1
    axes = argument(arguments, options, place, "dim")
    keep = 1 + place if "var.dim" not in op else 3
    shape = reduced(source.shape, _axes(axes, source.rank), bool(argument(arguments, options, keep, "keepdim", False)))
    dtype = _dtype(options, source.dtype)
    if name in ("argmax", "argmin"):
        return _one(shape, "int64")
    if name in ("any", "all"):
        return _one(shape, "bool")
    if name in _INTEGERS_SUM and not is_float(dtype) and "dtype" not in options:
        dtype = "int64"
    made = _one(shape, dtype)
    if op in ("aten.max.dim", "aten.min.dim"):
        return (*made, Operand(shape, "int64"))
    return made * 2 if op == "aten.var_mean.correction" else made


def _cumulative(_: str, arguments: Arguments, options: Options) -> Result:
    source = arguments[0]
    return _one(source.shape, _dtype(options, source.dtype if is_float(source.dtype) else "int64"))


def _layer_norm(_: str, arguments: Arguments, __: Options) -> Result:
    source, normal = arguments[:2]
    kept = (*source.shape[: source.rank - len(normal)], *(1 for _ in normal))
    return (*_one(source.shape, source.dtype), *_one(kept, "float32") * 2)


def _group_norm(_: str, arguments: Arguments, __: Options) -> Result:
    source, samples, groups = arguments[0], arguments[3], arguments[6]
    return (*_one(source.shape, source.dtype), *_one((samples, groups), source.dtype) * 2)


def _batch_norm(op: str, arguments: Arguments, _: Options) -> Result:
    source = arguments[0]
    channels = () if source.rank < 2 else (source.shape[1],)
    kept = (0,) if op.endswith("no_training.default") else channels
    return (*_one(source.shape, source.dtype), *_one(kept, "float32") * (4 if "functional" in op else 2))


def _softmax(op: str, arguments: Arguments, _: Options) -> Result:
    last = arguments[-1]
    wide = op.count("_backward") == 0 and last is True
    dtype = last.name if isinstance(last, Dtype) else "float32" if wide else arguments[0].dtype
    return _one(arguments[0].shape, dtype)


def _embedding(_: str, arguments: Arguments, __: Options) -> Result:
    table, numbers = arguments[:2]
    return _one((*numbers.shape, *table.shape[1:]), table.dtype)


def _embedding_backward(_: str, arguments: Arguments, __: Options) -> Result:
    return _one((arguments[2], arguments[0].shape[-1]), arguments[0].dtype)


def _index(_: str, arguments: Arguments, __: Options) -> Result:
    """An index for each axis, None for one that is left whole; indices apart from each other go to the front."""
    source, indices = arguments[:2]
    if any(o is not None and o.dtype == "bool" for o in indices):
        raise ValueError("a mask gives a shape that depends on the data")
    places = [i for i, o in enumerate(indices) if o is not None]
    chosen = broadcast(indices[i].shape for i in places)
    left = [n for i, n in enumerate(source.shape) if i not in places]
    front = places[0] if places == list(range(places[0], places[-1] + 1)) else 0
    return _one((*left[:front], *chosen, *left[front:]), source.dtype)


def _gather(_: str, arguments: Arguments, __: Options) -> Result:
    return _one(arguments[2].shape, arguments[0].dtype)


def _index_select(_: str, arguments: Arguments, __: Options) -> Result:
    source, dim, numbers = arguments[:3]
    shape = list(source.shape)
    shape[axis(dim, source.rank)] = numbers.elements
    return _one(shape, source.dtype)


def _sizes(_: str, arguments: Arguments, __: Options) -> Result:
    return _one(arguments[1], arguments[0].dtype)


def _top_k(op: str, arguments: Arguments, options: Options) -> Result:
    source = arguments[0]
    shape = list(source.shape)
    if op.startswith("aten.topk"):
        shape[axis(argument(arguments, options, 2, "dim", -1), source.rank)] = arguments[1]
    return (*_one(shape, source.dtype), *_one(shape, "int64"))


def _cast(_: str, arguments: Arguments, options: Options) -> Result:
    return _one(arguments[0].shape, _dtype(options, arguments[0].dtype))


def _constant(op: str, arguments: Arguments, options: Options) -> Result:
    name = op.split(".")[1]
    if name.endswith("_like") or name == "fill":
        return _one(arguments[0].shape, _dtype(options, arguments[0].dtype))
    if name.startswith("new_"):
        return _one(arguments[1], _dtype(options, arguments[0].dtype))
    if name == "arange":
        start, end, step = {1: (0, *arguments, 1), 2: (*arguments, 1)}.get(len(arguments), arguments)
        whole = all(isinstance(n, int) for n in arguments)
        return _one((max(0, math.ceil((end - start) / step)),), _dtype(options, "int64" if whole else "float32"))
    if name == "scalar_tensor":
        return _one((), _dtype(options, "float32"))
    if name == "eye":
        return _one((arguments[0], arguments[-1]), _dtype(options, "float32"))
    number = promoted(arguments[1:2]) if name == "full" else "float32"
    return _one(arguments[0], _dtype(options, number))


def _loss(_: str, arguments: Arguments, options: Options) -> Result:
    """(self, target, [weight,] reduction): reduction 0 keeps every element."""
    numbers = [a for a in (*arguments, options.get("reduction", 1)) if isinstance(a, int) and not isinstance(a, bool)]
    first = arguments[0]
    dtype = joined(first.dtype, arguments[1].dtype)
    return _one(broadcast((first.shape, arguments[1].shape)) if numbers[0] == 0 else (), dtype)


def _nll(_: str, arguments: Arguments, __: Options) -> Result:
    first, reduction = arguments[0], arguments[3]
    every = arguments[1].shape if reduction == 0 else ()
    return (*_one(every, first.dtype), *_one((), first.dtype))


def _dropout(_: str, arguments: Arguments, __: Options) -> Result:
    return (*_one(arguments[0].shape, arguments[0].dtype), *_one(arguments[0].shape, "bool"))


def _random(op: str, arguments: Arguments, options: Options) -> Result:
    if op.split(".")[1] in ("rand", "randn"):
        return _one(arguments[0], _dtype(options, "float32"))
    return _cast(op, arguments, options)


def _nothing(_: str, __: Arguments, ___: Options) -> Result:
    return ()


_BY_NAME: dict[str, Rule] = {
    "gather": _gather,
    "index_select": _index_select,
    "index": _index,
    "nll_loss_forward": _nll,
    **aten_view_shapes.RULES,
    **aten_window_shapes.RULES,
}
_BY_KERNEL: dict[str, Rule] = {
    "log_sigmoid": _log_sigmoid,
    "cumulative": _cumulative,
    "layer_norm": _layer_norm,
    "group_norm": _group_norm,
    "batch_norm": _batch_norm,
    "embedding": _embedding,
    "embedding_backward": _embedding_backward,
    "slice_backward": _sizes,
    "top_k": _top_k,
    "cast": _cast,
    "copy": _first,
    "dropout": _dropout,
    "dropout_backward": _first,
    "nll_loss_backward": _second,
    "mse_loss_backward": _second,
    "smooth_l1_loss_backward": _second,
    "binary_cross_entropy_backward": _second,
}
_BY_FAMILY: dict[str, Rule] = {
    "matmul": _matmul,
    "elementwise": _elementwise,
    "comparison": _comparison,
    "activation": _first,
    "reduction": _reduction,
    "softmax": _softmax,
    "indexing": _first,
    "view": _first,
    "constant": _constant,
    "loss": _loss,
    "random": _random,
    "assertion": _nothing,
}
