"""Which operations of a graph make the gradients, which update the weights; and that the two can be cut apart."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from dataclasses import dataclass
from typing import Any

from clients.tensorflow.building import Built, in_order
from clients.tensorflow.lines import line_of
from clients.tensorflow.nodes import STATELESS
from wafer_sim.kernels.tensorflow import KERNELS, UPDATES
from wire.errors import InvalidInput, Refused

Before = Callable[[Any], Iterable[Any]]
"""An operation -> those that it needs at once."""

_REPLACED = frozenset((*STATELESS, "PlaceholderWithDefault"))
_MOVES = frozenset(("AssignVariableOp", "AssignAddVariableOp", "AssignSubVariableOp"))
_HALVES = "the wafer makes gradients in every replica first, then updates once by their mean"
_TRAIN = (
    "train_op = tf.compat.v1.train.<...>Optimizer(...).minimize(loss); for loss scaling put it into "
    "tf.compat.v1.mixed_precision.MixedPrecisionLossScaleOptimizer"
)
_WAY = (
    "update trained variables by an optimizer's gradients only, all optimizers from the same weights (tf.group), and "
    "the others by floating-point values of the batch"
)


@dataclass(frozen=True, slots=True)
class Moved:
    """An update of a variable that is not trained by what the batch makes, such as a moving average.

    op: the assignment. handle: its variable's. made: the value of one replica; the update takes their mean.
    """

    op: Any
    handle: Any
    made: Any


@dataclass(frozen=True, slots=True)
class Parts:
    """Names of operations. computing: loss, gradients, metrics. updating: train_op. idle: control inputs (of, on) that
    order nothing across the two halves. moved: see there. effects: all that changes a variable in the update.
    observing: what a host call gets.
    """

    computing: Set[str]
    updating: Set[str]
    idle: Set[tuple[str, str]]
    moved: Sequence[Moved] = ()
    effects: Sequence[Any] = ()
    observing: Set[str] = frozenset()


def training_parts(built: Built) -> Parts:
    """Cut a training graph at its gradients. Raises InvalidInput without any, Refused where it cannot be cut."""
    train = getattr(built.train_op, "op", built.train_op)
    if not built.seen.cuts:
        what = "train_op uses no optimizer of tf.compat.v1.train, or none of the variables has a gradient"
        raise InvalidInput(what, where=line_of(train) or "model_fn", fix=_TRAIN)
    cutting = _Cutting(built, train)
    effects = cutting.effects()
    moved = list(cutting.moved(effects))
    made = [cut.made.op for cut in built.seen.cuts] + [each.made.op for each in moved]
    computing = _reached([built.loss.op, *made], cutting.ends, cutting.unordered)
    cutting.refuse_one_after_another(computing, effects)
    observing = _reached([t.op for t in built.host_call[1]] if built.host_call else [], cutting.ends, cutting.unordered)
    cutting.refuse_late(observing, effects, "a host call gets its values")
    idle = cutting.idle([train, *effects])
    moved_ops = {each.op.name for each in moved}

    def before(op: Any) -> Iterator[Any]:
        yield from (t.op for n, t in enumerate(op.inputs) if not (n == 1 and op.name in moved_ops))
        yield from (first for first in op.control_inputs if (op.name, first.name) not in idle)

    updating = _reached([train, *effects], cutting.ends, before)
    cutting.refuse_batch(updating, before)
    ordered = {(op.name, on.name) for op in cutting.ops(computing | observing) for on in cutting.left_out(op)}
    return Parts(computing, updating, idle | ordered, moved, effects, observing)


def loss_parts(built: Built) -> Parts:
    """What the loss needs, of a graph whose other parts are wrong."""
    return Parts(_reached([built.loss.op], {p.op.name for p in built.inputs.values()}), frozenset(), frozenset())


def evaluation_parts(built: Built) -> Parts:
    """What loss and metrics need. Raises Refused for a metric whose value needs the batch."""
    batch = {placeholder.op.name for placeholder in built.inputs.values()}
    updates = [getattr(update, "op", update) for _, update in built.metrics.values()]
    values = _reached([value.op for value, _ in built.metrics.values()], batch)
    if values & batch:
        name, op = next((n, v.op) for n, (v, _) in built.metrics.items() if _reached([v.op], batch) & batch)
        what = f"the value of metric {name!r} depends on the batch and not on its counts only"
        raise Refused(what, where=line_of(op), fix="use the functions of tf.compat.v1.metrics, such as mean")
    return Parts(_reached([built.loss.op, *updates], batch) | values, frozenset(), frozenset())


def handle_of(op: Any) -> Any:
    """The VarHandleOp that an operation gets its variable from, None for one that has none."""
    tensor = next((t for t in op.inputs if t.dtype.name == "resource"), None)
    while tensor is not None and tensor.op.type in {"Identity", "Switch"}:
        tensor = tensor.op.inputs[0]
    return None if tensor is None else tensor.op


def _all_before(op: Any) -> Iterator[Any]:
    yield from (tensor.op for tensor in op.inputs)
    yield from op.control_inputs


def _reached(starts: Iterable[Any], stops: Set[str], before: Before = _all_before) -> set[str]:
    """What some operations need, themselves and the stops included."""
    found: set[str] = set()
    waiting = list(starts)
    while waiting:
        op = waiting.pop()
        if op.name in found:
            continue
        found.add(op.name)
        if op.name not in stops:
            waiting += before(op)
    return found


def _is_branch(op: Any) -> bool:
    """Whether an operation says that a branch of a tf.cond is taken; what waits for it runs in that branch only."""
    source = op.inputs[0].op if op.type == "Identity" else op
    return bool(source.type == "Switch")


class _Cutting:
    """A training graph and the places where it is cut. ends: names of the batch and of the reduced gradients."""

    def __init__(self, built: Built, train: Any) -> None:
        self._built, self._train = built, train
        self._taken = {cut.taken.op.name for cut in built.seen.cuts}
        self._batch = {placeholder.op.name for placeholder in built.inputs.values()}
        self.ends = self._taken | self._batch
        self._ops = in_order(built.graph)
        self._kinds = {op.name: op.type for op in self._ops}
        self._updating: dict[str, bool] = {}

    def ops(self, names: Set[str]) -> list[Any]:
        """Each after those that it needs."""
        return [op for op in self._ops if op.name in names]

    def effects(self) -> list[Any]:
        """All that changes a variable when train_op runs, also what only comes before the gradients are made."""
        return [op for op in self.ops(_reached([self._train], self._batch)) if op.type in UPDATES]

    def moved(self, effects: Sequence[Any]) -> Iterator[Moved]:
        trained = {cut.variable.handle.op.name for cut in self._built.seen.cuts}
        for op in effects:
            if op.type not in _MOVES or op.inputs[0].op.type != "VarHandleOp" or op.inputs[0].op.name in trained:
                continue
            needs = _reached([op.inputs[1].op], self.ends, self.unordered)
            if needs & self._batch and not needs & self._taken and op.inputs[1].dtype.is_floating:
                yield Moved(op, op.inputs[0].op, op.inputs[1])

    def unordered(self, op: Any) -> Iterator[Any]:
        """What computing needs: an update that only has to come first (`with control_dependencies(UPDATE_OPS)`) is left
        out, and comes with the other updates.
        """
        left_out = {first.name for first in self.left_out(op)}
        yield from (tensor.op for tensor in op.inputs)
        yield from (first for first in op.control_inputs if first.name not in left_out)

    def left_out(self, op: Any) -> Iterator[Any]:
        yield from (first for first in op.control_inputs if self._updates(first) and not _is_branch(first))

    def _updates(self, op: Any) -> bool:
        """Whether a variable changes before an operation is done."""
        if op.name not in self._updating:
            self._updating[op.name] = any(self._kinds[name] in UPDATES for name in _reached([op], self.ends))
        return self._updating[op.name]

    def idle(self, starts: Sequence[Any]) -> set[tuple[str, str]]:
        """Control inputs of the update on what only computes: `with control_dependencies([loss])` orders nothing."""
        known: dict[str, bool] = {}

        def computes(op: Any) -> bool:
            if op.name not in known:
                needs = _reached([op], self.ends)
                kinds = {self._kinds[name] for name in needs - self.ends}
                known[op.name] = bool(needs & self._batch) and kinds <= KERNELS.keys() - UPDATES | _REPLACED
            return known[op.name] and not _is_branch(op)

        whole = _reached(starts, self.ends)
        if not whole & self._batch:
            return set()
        return {(op.name, on.name) for op in self.ops(whole - self.ends) for on in op.control_inputs if computes(on)}

    def refuse_one_after_another(self, computing: Set[str], effects: Sequence[Any]) -> None:
        for op in self.ops(computing):
            if op.name in self._taken:
                what = "a gradient or the loss is computed from another optimizer's gradients"
                raise Refused(f"{what}; {_HALVES}", where=line_of(op), fix="compute it from the variables")
        self.refuse_late(computing, effects, "the gradients are made")

    def refuse_late(self, names: Set[str], effects: Sequence[Any], what: str) -> None:
        """Nothing that computes changes a variable, or reads one after an update of it, whose order was left out."""
        if culprit := next((op for op in self.ops(names) if op.type in UPDATES), None):
            raise _too_early(culprit, what)
        if not any(True for op in self.ops(names) for _ in self.left_out(op)):
            return
        bits = {op.name: 1 << n for n, op in enumerate(effects)}
        after: dict[str, int] = {}
        for op in self._ops:
            after[op.name] = bits.get(op.name, 0)
            for first in _all_before(op):
                after[op.name] |= after.get(first.name, 0)
            handle = handle_of(op) if op.name in names else None
            early = [e for e in effects if after[op.name] & bits[e.name] and handle is not None]
            if culprit := next((e for e in early if handle_of(e) is handle), None):
                raise _too_early(culprit, what)

    def refuse_batch(self, updating: Set[str], before: Before) -> None:
        if not updating & self._batch:
            return
        depends = set(self._batch)
        for op in self.ops(updating - self._taken):
            if any(first.name in depends for first in before(op)):
                depends.add(op.name)
        culprits = self.ops(depends - self._batch)
        op = next((op for op in culprits if op.type in UPDATES), culprits[0])
        what = f"train_op depends on the batch by {op.type} and not by gradients only"
        raise Refused(f"{what}; {_HALVES}", where=line_of(op), fix=_WAY)


def _too_early(op: Any, what: str) -> Refused:
    return Refused(f"{op.type} changes a variable before {what}; {_HALVES}", where=line_of(op), fix=_WAY)
