"""A graph, bound once and run often: functions and arguments resolved at load, values in numbered slots."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from operator import itemgetter
from typing import Any, NamedTuple

import torch

from wafer_sim.compiler.program import Argument, Constant, Graph, Node, Ref, references
from wafer_sim.runtime.aliases import bases
from wafer_sim.runtime.kernels import Key, function, generator, overload
from wafer_sim.runtime.precision import PRODUCTS, mentions_float16, widely
from wafer_sim.runtime.seed import unseeded
from wafer_sim.runtime.simplify import Call, simplify
from wire.errors import InvalidInput

_FOLDED = ("aten.scalar_tensor.default", "aten.full.default", "aten.zeros.default", "aten.ones.default")
_FOLD_LIMIT = 1 << 16
_ONE = torch.ones(())


class Bound(NamedTuple):
    """One call, ready: run(*take(slots)) goes to `out`, then the slots in `free` are emptied."""

    run: Callable[..., Any]
    take: Callable[[list[Any]], Sequence[Any]]
    out: int | tuple[int | None, ...]
    free: tuple[int, ...]
    node: Node


class Plan:
    """A graph for one entry of a program. `run` may be called from several threads at once.

    seeds: the values that `run` fills with the loss's own gradient; empty where there is no backward pass. owned: for
    each result whether its memory is its own.
    """

    def __init__(self, graph: Graph, values: int, wanted: Sequence[str]) -> None:
        graph, self.seeds = unseeded(graph)
        self._wide = mentions_float16(graph)
        calls, outputs = simplify(graph)
        self._values = values
        self._slots: list[Any] = [None] * max(values, 1 + max(_numbers(graph), default=-1))
        self._key = len(self._slots)
        self._slots.append(None)
        self._results = [outputs[name] for name in wanted]
        self.calls = self._arranged(self._fold(calls))
        last = _last_uses(self.calls, keep={*self._results, *range(values)})
        self.steps = [self._bind(call, last.get(i, ())) for i, call in enumerate(self.calls)]
        self.owned = _owned(self.calls, self._results, values)

    def run(self, values: Sequence[Any], key: Key, seed: Any = _ONE) -> list[Any]:
        """The wanted outputs. values: parameters, then inputs. seed: the loss's own gradient, a scalar tensor.

        Raises Failed, naming the node.
        """
        slots = self.begin(values, key, seed)
        self.go(slots, self.steps)
        return self.results(slots)

    def begin(self, values: Sequence[Any], key: Key | None, seed: Any = _ONE) -> list[Any]:
        """The slots of a run before its first step. key: None for one in which nothing is drawn. Else as `run`."""
        slots = self._slots.copy()
        slots[: len(values)] = values
        slots[self._key] = key
        for place in self.seeds:
            slots[place] = seed
        return slots

    def results(self, slots: Sequence[Any]) -> list[Any]:
        """The wanted outputs, once all steps are done."""
        return [slots[index] for index in self._results]

    def go(self, slots: list[Any], steps: Sequence[Bound]) -> None:
        """Do some of the steps, which follow those done before. Raises Failed, naming the node."""
        node = None
        try:
            for run, take, out, free, node in steps:  # noqa: B007 - the node is for the error below
                result = run(*take(slots))
                if isinstance(out, int):
                    slots[out] = result
                else:
                    for index, part in zip(out, result, strict=True):
                        if index is not None:
                            slots[index] = part
                for index in free:
                    slots[index] = None
        except (RuntimeError, IndexError, TypeError, ValueError) as error:
            raise Failed(node, error) from error

    def _arranged(self, calls: list[Call]) -> list[Call]:
        """The calls as they will be done: here in the order of the graph."""
        return calls

    def _fold(self, calls: list[Call]) -> list[Call]:
        left = []
        for call in calls:
            if call.node.op in _FOLDED and _size(call.node) <= _FOLD_LIMIT:
                run, _ = function(call.node.op)
                kwargs = {key: value_of(value) for key, value in call.node.kwargs.items()}
                self._slots[_only(call.node)] = run(*map(value_of, call.node.args), **kwargs)
            else:
                left.append(call)
        return left

    def _bind(self, call: Call, free: tuple[int, ...]) -> Bound:
        node = call.node
        run, draws = function(node.op)
        if self._wide and node.op in PRODUCTS:
            run = partial(widely, run)
        if draws:
            run = partial(_with_generator, run, call.number)
        leading = [Ref(self._key)] if draws else []
        constants = {key: value_of(value) for key, value in node.kwargs.items() if not _refs(value)}
        computed = {key: value for key, value in node.kwargs.items() if _refs(value)}
        run = partial(run, **constants) if constants else run
        arguments: list[Argument] = [*leading, *node.args]
        if computed:
            take: Callable[[list[Any]], Sequence[Any]] = partial(_take_all, arguments, computed)
            run = partial(_spread, run)
        else:
            take = self._taker(arguments)
        return Bound(run, take, _out(node), free, node)

    def _taker(self, arguments: list[Argument]) -> Callable[[list[Any]], Sequence[Any]]:
        if any(isinstance(argument, tuple) and _refs(argument) for argument in arguments):
            return partial(_take_nested, arguments)
        indices = [a.index if isinstance(a, Ref) else self._constant(value_of(a)) for a in arguments]
        if len(indices) == 1:
            return _take_one(indices[0])
        return itemgetter(*indices) if indices else _take_none

    def _constant(self, value: Any) -> int:
        self._slots.append(value)
        return len(self._slots) - 1


class Failed(Exception):  # noqa: N818 - a signal to the executor, which turns it into a Fault
    """A node that could not compute."""

    def __init__(self, node: Node | None, error: Exception) -> None:
        super().__init__(str(error))
        self.node = node
        self.error = error


def value_of(argument: Argument) -> Any:
    """An argument without references, as torch takes it. Raises InvalidInput for an unknown constant."""
    if isinstance(argument, tuple):
        return [value_of(part) for part in argument]
    if not isinstance(argument, Constant):
        return argument
    value = getattr(torch, argument.name.removeprefix("torch."), None)
    wanted = {"dtype": torch.dtype, "memory_format": torch.memory_format, "layout": torch.layout}.get(argument.kind)
    if wanted is None:
        return torch.device("cpu")
    if not isinstance(value, wanted):
        raise InvalidInput(f"{argument.name!r} is no {argument.kind}")
    return value


def _with_generator(run: Callable[..., Any], number: int, key: Key, *args: Any, **kwargs: Any) -> Any:
    return run(generator(key, number), *args, **kwargs)


def _spread(run: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    return run(*args, **kwargs)


def _take_one(index: int) -> Callable[[list[Any]], Sequence[Any]]:
    return lambda slots: (slots[index],)


def _take_none(_: list[Any]) -> Sequence[Any]:
    return ()


def _take_nested(arguments: Sequence[Argument], slots: list[Any]) -> Sequence[Any]:
    return [_resolve(argument, slots) for argument in arguments]


def _take_all(arguments: Sequence[Argument], kwargs: Mapping[str, Argument], slots: list[Any]) -> Sequence[Any]:
    return _take_nested(arguments, slots), {key: _resolve(value, slots) for key, value in kwargs.items()}


def _resolve(argument: Argument, slots: list[Any]) -> Any:
    if isinstance(argument, Ref):
        return slots[argument.index]
    return [_resolve(part, slots) for part in argument] if isinstance(argument, tuple) else value_of(argument)


def _refs(argument: Argument) -> bool:
    return isinstance(argument, Ref) or (isinstance(argument, tuple) and any(_refs(part) for part in argument))


def _out(node: Node) -> int | tuple[int | None, ...]:
    if not node.op.startswith("aten."):
        return node.outputs if len(node.outputs) != 1 else _only(node)
    returns = overload(node.op)._schema.returns
    if len(returns) == 1 and "[]" not in str(returns[0].type) and "List" not in str(returns[0].type):
        return _only(node)
    if len(returns) > 1 and len(returns) != len(node.outputs):
        raise InvalidInput(f"{node.op} gives {len(returns)} values, not {len(node.outputs)}", where=node.source)
    return node.outputs


def _only(node: Node) -> int:
    if len(node.outputs) != 1 or node.outputs[0] is None:
        raise InvalidInput(f"{node.op} gives one value, not {len(node.outputs)}", where=node.source)
    return node.outputs[0]


def _numbers(graph: Graph) -> list[int]:
    return [out for node in graph.nodes for out in node.outputs if out is not None]


def _size(node: Node) -> int:
    shape = node.args[0] if node.args and isinstance(node.args[0], tuple) else ()
    count = 1
    for dim in shape:
        count *= dim if isinstance(dim, int) else _FOLD_LIMIT + 1
    return count


def _last_uses(calls: Sequence[Call], keep: set[int]) -> dict[int, tuple[int, ...]]:
    last: dict[int, int] = {}
    for i, call in enumerate(calls):
        last.update((out, i) for out in call.node.outputs if out is not None)
        last.update((ref.index, i) for ref in references(call.node))
    free: dict[int, tuple[int, ...]] = {}
    for value, i in last.items():
        if value not in keep:
            free[i] = (*free.get(i, ()), value)
    return free


def _owned(calls: Sequence[Call], results: Sequence[int], values: int) -> tuple[bool, ...]:
    """For each result whether its memory is its own, and not a parameter's, an input's, a constant's or another's."""
    base = bases(calls)
    taken: set[int] = set()
    owned = []
    for result in results:
        origin = base.get(result, -1)
        owned.append(origin >= values and origin not in taken)
        taken.add(origin)
    return tuple(owned)
