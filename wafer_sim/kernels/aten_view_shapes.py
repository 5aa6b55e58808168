"""Shape rules of ATen's views, and of what joins and repeats."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from wafer_sim.kernels.operands import Operand, Result, axis, filled, parts

Arguments = Sequence[Any]
Options = Mapping[str, Any]


def _one(shape: Sequence[int], like: Operand) -> Result:
    return (Operand(tuple(int(n) for n in shape), like.dtype),)


def _at(arguments: Arguments, options: Options, place: int, name: str, default: Any) -> Any:
    found = arguments[place] if len(arguments) > place else options.get(name, default)
    return default if found is None else found


def _reshape(_: str, arguments: Arguments, __: Options) -> Result:
    return _one(filled(arguments[1], arguments[0].elements), arguments[0])


def _expand(_: str, arguments: Arguments, __: Options) -> Result:
    source, wanted = arguments[:2]
    old = (*(1 for _ in range(len(wanted) - source.rank)), *source.shape)
    return _one([o if w == -1 else w for o, w in zip(old, wanted, strict=True)], source)


def _permute(_: str, arguments: Arguments, __: Options) -> Result:
    source, order = arguments[:2]
    if sorted(axis(d, source.rank) for d in order) != list(range(source.rank)):
        raise ValueError(f"{list(order)} is no order of {source.rank} axes")
    return _one([source.shape[d] for d in order], source)


def _transpose(op: str, arguments: Arguments, _: Options) -> Result:
    source = arguments[0]
    shape = list(source.shape)
    if op.startswith("aten.t."):
        return _one(shape[::-1], source)
    one, other = arguments[1:3]
    shape[one], shape[other] = shape[other], shape[one]
    return _one(shape, source)


def _squeeze(_: str, arguments: Arguments, __: Options) -> Result:
    source = arguments[0]
    dims = range(source.rank) if len(arguments) == 1 else arguments[1]
    gone = {axis(d, source.rank) for d in ([dims] if isinstance(dims, int) else dims)}
    return _one([n for i, n in enumerate(source.shape) if i not in gone or n != 1], source)


def _unsqueeze(_: str, arguments: Arguments, __: Options) -> Result:
    source = arguments[0]
    shape = list(source.shape)
    shape.insert(axis(arguments[1], source.rank + 1), 1)
    return _one(shape, source)


def _select(_: str, arguments: Arguments, __: Options) -> Result:
    source, dim = arguments[:2]
    return _one([n for i, n in enumerate(source.shape) if i != axis(dim, source.rank)], source)


def _slice(_: str, arguments: Arguments, options: Options) -> Result:
    source = arguments[0]
    dim = axis(_at(arguments, options, 1, "dim", 0), source.rank)
    taken = slice(*(_at(arguments, options, i, name, None) for i, name in ((2, "start"), (3, "end"), (4, "step"))))
    shape = list(source.shape)
    shape[dim] = len(range(shape[dim])[taken])
    return _one(shape, source)


def _split(_: str, arguments: Arguments, options: Options) -> Result:
    source = arguments[0]
    dim = axis(_at(arguments, options, 2, "dim", 0), source.rank)
    size, whole = arguments[1], source.shape[dim]
    if isinstance(size, int):
        size = [min(size, whole - i * size) for i in range(parts(-(-whole // size)))]
    return tuple(_one((*source.shape[:dim], n, *source.shape[dim + 1 :]), source)[0] for n in size)


def _unbind(_: str, arguments: Arguments, options: Options) -> Result:
    source = arguments[0]
    dim = axis(_at(arguments, options, 1, "dim", 0), source.rank)
    return _one([n for i, n in enumerate(source.shape) if i != dim], source) * parts(int(source.shape[dim]))


def _concat(op: str, arguments: Arguments, options: Options) -> Result:
    joined = arguments[0]
    first = joined[0]
    if op.startswith("aten.stack"):
        dim = axis(_at(arguments, options, 1, "dim", 0), first.rank + 1)
        return _one((*first.shape[:dim], len(joined), *first.shape[dim:]), first)
    dim = axis(_at(arguments, options, 1, "dim", 0), first.rank)
    whole = sum(p.shape[dim] for p in joined if p.rank == first.rank)
    return _one((*first.shape[:dim], whole, *first.shape[dim + 1 :]), first)


def _repeat(_: str, arguments: Arguments, __: Options) -> Result:
    source, times = arguments[:2]
    old = (*(1 for _ in range(len(times) - source.rank)), *source.shape)
    return _one([o * t for o, t in zip(old, times, strict=True)], source)


def _pad(_: str, arguments: Arguments, __: Options) -> Result:
    source, pads = arguments[:2]
    shape = list(source.shape)
    for i in range(len(pads) // 2):
        shape[-1 - i] += pads[2 * i] + pads[2 * i + 1]
    return _one(shape, source)


def _unfold(_: str, arguments: Arguments, __: Options) -> Result:
    source, dim, size, step = arguments[:4]
    shape = list(source.shape)
    shape[dim] = (shape[dim] - size) // step + 1
    return _one((*shape, size), source)


def _diagonal(_: str, arguments: Arguments, options: Options) -> Result:
    source = arguments[0]
    offset = _at(arguments, options, 1, "offset", 0)
    one, other = (axis(_at(arguments, options, i + 2, f"dim{i + 1}", i), source.rank) for i in range(2))
    rows, columns = source.shape[one] + min(offset, 0), source.shape[other] - max(offset, 0)
    left = [n for i, n in enumerate(source.shape) if i not in (one, other)]
    return _one((*left, max(0, min(rows, columns))), source)


RULES: dict[str, Callable[[str, Arguments, Options], Result]] = {
    **dict.fromkeys(("view", "_unsafe_view", "reshape"), _reshape),
    "expand": _expand,
    "permute": _permute,
    **dict.fromkeys(("t", "transpose"), _transpose),
    "squeeze": _squeeze,
    "unsqueeze": _unsqueeze,
    "select": _select,
    "slice": _slice,
    **dict.fromkeys(("split", "split_with_sizes"), _split),
    "unbind": _unbind,
    **dict.fromkeys(("cat", "stack"), _concat),
    "repeat": _repeat,
    "constant_pad_nd": _pad,
    "unfold": _unfold,
    "diagonal": _diagonal,
}
