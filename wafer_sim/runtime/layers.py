"""A graph's calls cut into layers: stretches that read the same parameters, so that these can come and go."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from wafer_sim.compiler.program import Argument, Ref, references
from wafer_sim.kernels.aten import KERNELS
from wafer_sim.runtime.aliases import bases
from wafer_sim.runtime.simplify import CONTIGUOUS, Call

_VIEWS = """
    view permute t transpose.int expand squeeze squeeze.dim squeeze.dims unsqueeze select.int slice.Tensor
    split.Tensor split_with_sizes unbind.int unfold diagonal alias detach"""
_LOOK = {f"aten.{name if '.' in name else name + '.default'}" for name in _VIEWS.split()}


@dataclass(frozen=True, slots=True)
class Layer:
    """Calls first .. last - 1 of a plan.

    parameters: the numbers of those that it reads. complete: the numbers of those that nothing after it reads and
    whose gradient is there when it is done.
    """

    first: int
    last: int
    parameters: tuple[int, ...]
    complete: tuple[int, ...] = ()


def near_use(calls: Sequence[Call], parameters: int, kept: Iterable[int], fresh: Callable[[], int]) -> list[Call]:
    """The calls with each copy of a parameter (cast, moved) made where it is used, each time, and not kept between.

    parameters: values below are such. kept: values that must stay. fresh: numbers for new values.
    """
    made = _of_parameters(calls, parameters)
    kept = {*kept}
    out: list[Call] = []
    for call in calls:
        mine = any(o in made for o in call.node.outputs)
        if mine and kept.isdisjoint(o for o in call.node.outputs if o is not None):
            continue
        out.extend(_with_copies(call, {} if mine else made, fresh))
    return out


def _of_parameters(calls: Sequence[Call], parameters: int) -> dict[int, Call]:
    """Value -> the call that makes it, for views and copies of parameters and of nothing else."""
    made: dict[int, Call] = {}
    for call in calls:
        op, refs = call.node.op, references(call.node)
        moves = op == CONTIGUOUS or (op in KERNELS and KERNELS[op].family in ("view", "cast"))
        if moves and refs and all(ref.index < parameters or ref.index in made for ref in refs):
            made.update((out, call) for out in call.node.outputs if out is not None)
    return made


def _with_copies(call: Call, made: Mapping[int, Call], fresh: Callable[[], int]) -> list[Call]:
    copies: list[Call] = []
    new: dict[int, int] = {}

    def renewed(argument: Argument) -> Argument:
        if isinstance(argument, tuple):
            return tuple(renewed(part) for part in argument)
        if not isinstance(argument, Ref) or argument.index not in made:
            return argument
        if argument.index not in new:
            maker = made[argument.index]
            args = tuple(renewed(part) for part in maker.node.args)
            outputs = {out: fresh() for out in maker.node.outputs if out is not None}
            new.update(outputs)
            numbers = tuple(None if out is None else outputs[out] for out in maker.node.outputs)
            copies.append(Call(maker.number, replace(maker.node, args=args, outputs=numbers)))
        return Ref(new[argument.index])

    args = tuple(renewed(part) for part in call.node.args)
    kwargs = {key: renewed(value) for key, value in call.node.kwargs.items()}
    return [*copies, Call(call.number, replace(call.node, args=args, kwargs=kwargs))]


def cut(
    calls: Sequence[Call], sizes: Sequence[int], gradients: Mapping[int, int], loss: int, least: int = 0
) -> list[Layer]:
    """The layers of a graph, in order; parameters that have at most `least` bytes together may share one.

    sizes: bytes of each parameter; their numbers are the first values'. gradients: parameter -> the value that is its
    gradient. loss: the value with which a layer ends, and after which parameters are complete.
    """
    base = bases(calls)
    reads = [_reads(call, base, len(sizes)) for call in calls]
    known = next((i for i, call in enumerate(calls, 1) if loss in call.node.outputs), 0)
    layers = _stretches(reads, sizes, least, known)
    done = _completed(calls, base, gradients)
    return [
        replace(layer, complete=tuple(sorted(p for p, i in done.items() if layer.first <= max(i, known) < end)))
        for layer, end in ((layer, max(layer.last, layer.first + 1)) for layer in layers)
    ]


def _reads(call: Call, base: Mapping[int, int], parameters: int) -> set[int]:
    if call.node.op in _LOOK:
        return set()
    origins = {base.get(ref.index, ref.index) for ref in references(call.node)}
    return {origin for origin in origins if origin < parameters}


def _stretches(reads: Sequence[set[int]], sizes: Sequence[int], least: int, known: int) -> list[Layer]:
    layers: list[Layer] = []
    first, held = 0, set[int]()
    for i, wanted in enumerate(reads):
        more = held and not wanted <= held and sum(sizes[p] for p in held | wanted) > least
        if more or (i == known and i > 0):
            layers.append(Layer(first, i, tuple(sorted(held))))
            first, held = i, set()
        held |= wanted
    layers.append(Layer(first, len(reads), tuple(sorted(held))))
    return [*layers, Layer(len(reads), len(reads), ())] if known == len(reads) else layers


def _completed(calls: Sequence[Call], base: Mapping[int, int], gradients: Mapping[int, int]) -> dict[int, int]:
    """Parameter -> the call after which it may change: no later one reads it, or memory that its gradient shares."""
    last: dict[int, int] = {}
    for i, call in enumerate(calls):
        outs = (out for out in call.node.outputs if out is not None)
        for value in (*outs, *(ref.index for ref in references(call.node))):
            last[base.get(value, value)] = i
    return {
        parameter: max(last.get(parameter, 0), last.get(base.get(value, value), 0))
        for parameter, value in gradients.items()
    }
