"""Shape rules of TensorFlow's operations: what lengths and dtypes a call's results have, and small integer values.

Axes and lengths are values in a graph, so what they are is computed along the way (`tensorflow_values`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from wafer_sim.graph.kernel_graph import Dtype
from wafer_sim.kernels import tensorflow_view_shapes, tensorflow_window_shapes
from wafer_sim.kernels.operands import Operand, Result, axis, broadcast, reduced
from wafer_sim.kernels.registry import BY_OPERATION
from wafer_sim.kernels.tensorflow_values import known, values

Operands = Sequence[Operand]
Options = Mapping[str, Any]
Rule = Callable[[str, Operands, Options], Result]


def tensorflow_result(op: str, operands: Operands, options: Options) -> Result:
    """What a call makes. op: "tf.<operation>". Small integers that can be computed are.

    Raises ValueError, TypeError, IndexError or KeyError for operands and attributes that the operation cannot have.
    """
    kernel = BY_OPERATION[op]
    name = op.removeprefix("tf.")
    if (computed := values(name, operands, options)) is not None:
        return tuple(Operand(tuple(a.shape), str(a.dtype), a) for a in computed)
    rule = _BY_NAME.get(name) or _BY_KERNEL.get(kernel.name) or _BY_FAMILY[kernel.family]
    return rule(name, operands, options)


def _dtype(options: Options, name: str, default: str) -> str:
    given = options.get(name)
    return given.name if isinstance(given, Dtype) else default


def _one(shape: Sequence[int], dtype: str) -> Result:
    return (Operand(tuple(int(n) for n in shape), dtype),)


def _typed(operands: Operands, options: Options) -> str:
    return _dtype(options, "T", operands[0].dtype)


def _broadcast(_: str, operands: Operands, options: Options) -> Result:
    return _one(broadcast(o.shape for o in operands), _typed(operands, options))


def _select(name: str, operands: Operands, options: Options) -> Result:
    chosen = operands[1:] if name == "Select" else operands
    return _one(broadcast(o.shape for o in chosen), _dtype(options, "T", operands[1].dtype))


def _comparison(name: str, operands: Operands, options: Options) -> Result:
    shape = broadcast(o.shape for o in operands) if not name.startswith("InTopK") else operands[1].shape
    kept = name.startswith("Bitwise") or name == "Invert"
    return _one(shape, _typed(operands, options) if kept else "bool")


def _first(_: str, operands: Operands, options: Options) -> Result:
    return _one(operands[0].shape, _typed(operands, options))


def _every(_: str, operands: Operands, __: Options) -> Result:
    return tuple(Operand(o.shape, o.dtype) for o in operands)


def _matmul(name: str, operands: Operands, options: Options) -> Result:
    left, right = operands[0].shape, operands[1].shape
    if name == "MatMul":
        flags = options.get("transpose_a"), options.get("transpose_b")
    else:
        flags = options.get("adj_x"), options.get("adj_y")
    left = (*left[:-2], left[-1], left[-2]) if flags[0] else left
    right = (*right[:-2], right[-1], right[-2]) if flags[1] else right
    if left[-1] != right[-2]:
        raise ValueError(f"{list(left)} and {list(right)} have no product")
    dtype = _dtype(options, "Tout", _typed(operands, options))
    return _one((*broadcast((left[:-2], right[:-2])), left[-2], right[-1]), dtype)


def einsum_lengths(equation: str, operands: Operands) -> tuple[dict[str, int], str]:
    """Letter -> length, and the letters of the result. Raises ValueError for an ellipsis and for what does not fit."""
    given, _, result = equation.replace(" ", "").partition("->")
    if "." in equation:
        raise ValueError("an einsum with an ellipsis; name every axis")
    lengths: dict[str, int] = {}
    for letters, operand in zip(given.split(","), operands, strict=True):
        for letter, length in zip(letters, operand.shape, strict=True):
            if lengths.setdefault(letter, length) != length:
                raise ValueError(f"axis {letter!r} has {lengths[letter]} and {length} elements")
    return lengths, result


def _einsum(_: str, operands: Operands, options: Options) -> Result:
    lengths, result = einsum_lengths(str(options["equation"]), operands)
    return _one([lengths[letter] for letter in result], _typed(operands, options))


def _reduction(name: str, operands: Operands, options: Options) -> Result:
    source = operands[0]
    axes = [int(a) for a in np.atleast_1d(known(operands[1]))]
    shape = reduced(source.shape, axes, bool(options.get("keep_dims", False)))
    return _one(shape, "bool" if name in ("Any", "All") else _typed(operands, options))


def _arg(_: str, operands: Operands, options: Options) -> Result:
    source = operands[0]
    return _one(reduced(source.shape, [int(known(operands[1]))], False), _dtype(options, "output_type", "int64"))


def _scalar(_: str, operands: Operands, options: Options) -> Result:
    return _one((), _typed(operands, options))


def channels(source: Operand, options: Options) -> int:
    """How long the axis of channels is: the last one, or that behind the samples."""
    return source.shape[1] if str(options.get("data_format", "NHWC")).startswith("NC") else source.shape[-1]


def _bias_gradient(_: str, operands: Operands, options: Options) -> Result:
    return _one((channels(operands[0], options),), _typed(operands, options))


def _batch_norm(name: str, operands: Operands, options: Options) -> Result:
    source = operands[1 if "Grad" in name else 0]
    dtype = _dtype(options, "U", "float32")
    each = _one((channels(source, options),), dtype)
    image = _one(source.shape, _typed(operands, options))
    if "Grad" in name:
        return (*image, *each * 2, *_one((0,), dtype) * 2)
    return (*image, *each * 4, *_one((0,), dtype))


def _gather(_: str, operands: Operands, options: Options) -> Result:
    """Rows of a table; with batch dimensions, of each sample's own."""
    table, numbers = operands[:2]
    where = axis(int(known(operands[2])), table.rank) if len(operands) > 2 else 0
    batch = int(options.get("batch_dims", 0))
    where = max(where, batch)
    shape = (*table.shape[:where], *numbers.shape[batch:], *table.shape[where + 1 :])
    return _one(shape, table.dtype)


def _gather_nd(_: str, operands: Operands, __: Options) -> Result:
    table, numbers = operands
    return _one((*numbers.shape[:-1], *table.shape[numbers.shape[-1] :]), table.dtype)


def _scatter_nd(_: str, operands: Operands, options: Options) -> Result:
    return _one(known(operands[2]).tolist(), _dtype(options, "T", operands[1].dtype))


def _stitch(_: str, operands: Operands, options: Options) -> Result:
    half = len(operands) // 2
    rows = 1 + max(int(np.max(known(o), initial=-1)) for o in operands[:half])
    rest = operands[half].shape[operands[0].rank :]
    return _one((rows, *rest), _dtype(options, "T", operands[half].dtype))


def _segment(name: str, operands: Operands, options: Options) -> Result:
    source, numbers = operands[:2]
    rows = int(known(operands[2])) if name.startswith("Unsorted") else int(np.max(known(numbers))) + 1
    return _one((rows, *source.shape[numbers.rank :]), _typed(operands, options))


def _top_k(name: str, operands: Operands, options: Options) -> Result:
    source = operands[0]
    count = int(known(operands[1])) if name == "TopKV2" else int(options["k"])
    shape = (*source.shape[:-1], count)
    return (*_one(shape, source.dtype), *_one(shape, _dtype(options, "index_type", "int32")))


def _diagonal(name: str, operands: Operands, options: Options) -> Result:
    """The main diagonal only; the third versions may have bands of them, which are refused."""
    source = operands[0]
    if name.endswith("V3") and np.any(known(operands[2 if "Set" in name else 1])):
        raise ValueError("only the main diagonal has a kernel")
    if "Set" in name:
        return _one(source.shape, _typed(operands, options))
    if name == "Diag":
        return _one(source.shape * 2, source.dtype)
    if name == "DiagPart":
        return _one(source.shape[: source.rank // 2], source.dtype)
    if "Part" in name:
        return _one((*source.shape[:-2], min(source.shape[-2:])), source.dtype)
    return _one((*source.shape, source.shape[-1]), source.dtype)


def _one_hot(_: str, operands: Operands, options: Options) -> Result:
    source, where = operands[0], int(options.get("axis", -1))
    shape = list(source.shape)
    shape.insert(source.rank if where == -1 else where, int(known(operands[1])))
    return _one(shape, _dtype(options, "T", operands[2].dtype))


def _cast(name: str, operands: Operands, options: Options) -> Result:
    return _one(operands[0].shape, _dtype(options, "type" if name == "Bitcast" else "DstT", operands[0].dtype))


def _integers(_: str, operands: Operands, __: Options) -> Result:
    return _one(operands[0].shape, "int32")


def _cross_entropy(name: str, operands: Operands, options: Options) -> Result:
    logits, labels = operands
    shape = logits.shape if name.startswith("Sparse") else broadcast((logits.shape, labels.shape))
    dtype = _typed(operands, options)
    return (*_one(shape[:-1], dtype), *_one(shape, dtype))


def _random(name: str, operands: Operands, options: Options) -> Result:
    if name == "StatelessMultinomial":
        return _one((operands[0].shape[0], int(known(operands[1]))), _dtype(options, "output_dtype", "int64"))
    return _one(known(operands[0]).tolist(), _dtype(options, "dtype", "float32"))


def _random_key(name: str, _: Operands, __: Options) -> Result:
    key = (*_one((1,), "uint64"), *_one((2,), "uint64"))
    return _one((), "int32") if name.endswith("GetAlg") else (*key, *_one((), "int32")) if "Alg" in name else key


def _constant(_: str, __: Operands, options: Options) -> Result:
    shape, dtype = options["shape"], options["dtype"].name
    numbers = options.get("value")
    small = numbers is not None and ("int" in dtype or dtype == "bool") and math.prod(shape) == np.size(numbers)
    return (Operand(tuple(shape), dtype, np.asarray(numbers, dtype).reshape(shape) if small else None),)


def _fill(_: str, operands: Operands, __: Options) -> Result:
    return _one(known(operands[0]).tolist(), operands[1].dtype)


def _line(_: str, operands: Operands, __: Options) -> Result:
    return _one((int(known(operands[2])),), operands[0].dtype)


def _range(_: str, operands: Operands, __: Options) -> Result:
    raise ValueError("a range of lengths that are not whole numbers known when it is compiled")


def _nothing(_: str, __: Operands, ___: Options) -> Result:
    return ()


def _switch(_: str, operands: Operands, __: Options) -> Result:
    """Both ways out: what is taken is known when it runs."""
    return _one(operands[0].shape, operands[0].dtype) * 2


def _merge(_: str, operands: Operands, __: Options) -> Result:
    return (*_one(operands[0].shape, operands[0].dtype), *_one((), "int32"))


_BY_NAME: dict[str, Rule] = {
    "Switch": _switch,
    "Merge": _merge,
    "Einsum": _einsum,
    "Const": _constant,
    "Fill": _fill,
    "LinSpace": _line,
    "Range": _range,
    "ZerosLike": _first,
    "OnesLike": _first,
    "DynamicStitch": _stitch,
    "ScatterNd": _scatter_nd,
    "GatherNd": _gather_nd,
    "L2Loss": _scalar,
    **tensorflow_view_shapes.RULES,
    **tensorflow_window_shapes.RULES,
}
_BY_KERNEL: dict[str, Rule] = {
    "bias_add": _first,
    "select": _select,
    "argmax": _arg,
    "argmin": _arg,
    "cumulative": _first,
    "bias_add_backward": _bias_gradient,
    "batch_norm": _batch_norm,
    "batch_norm_backward": _batch_norm,
    "local_response_norm": _first,
    "local_response_norm_backward": _first,
    "gather": _gather,
    "embedding": _gather,
    "segment": _segment,
    "top_k": _top_k,
    "diagonal": _diagonal,
    "one_hot": _one_hot,
    "bucketize": _integers,
    "identity": _every,
    "random": _random,
    "random_key": _random_key,
    "cross_entropy": _cross_entropy,
}
_BY_FAMILY: dict[str, Rule] = {
    "matmul": _matmul,
    "elementwise": _broadcast,
    "comparison": _comparison,
    "activation": _broadcast,
    "reduction": _reduction,
    "softmax": _first,
    "indexing": _first,
    "cast": _cast,
    "state": _first,
    "assertion": _nothing,
    "update": _nothing,
}
