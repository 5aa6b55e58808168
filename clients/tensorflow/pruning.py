"""Which operations of a graph make the gradients, which update the weights; and that the two can be cut apart."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Set
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from clients.tensorflow.building import Built, line_of
from clients.tensorflow.nodes import STATELESS
from wafer_sim.kernels.tensorflow import KERNELS, UPDATES
from wire.errors import InvalidInput, Refused

_REPLACED = frozenset((*STATELESS, "PlaceholderWithDefault"))
_HALVES = "the wafer makes gradients in every replica first, then updates once by their mean"


@dataclass(frozen=True, slots=True)
class Parts:
    """Names of operations. computing: loss, gradients, metrics. updating: train_op. idle: control inputs (of, on) of an
    update that order nothing but computing."""

    computing: Set[str]
    updating: Set[str]
    idle: Set[tuple[str, str]]


def training_parts(built: Built) -> Parts:
    """Cut a training graph at its gradients. Raises InvalidInput without any, Refused where it cannot be cut."""
    cuts = built.seen.cuts
    if not cuts:
        what = "train_op uses no optimizer of tf.compat.v1.train, or none of the variables has a gradient"
        raise InvalidInput(
            what, where="model_fn", fix="train_op = tf.compat.v1.train.<...>Optimizer(...).minimize(loss)"
        )
    taken = {cut.taken.op.name for cut in cuts}
    batch = {placeholder.op.name for placeholder in built.inputs.values()}
    computing = _reached([built.loss.op, *(cut.made.op for cut in cuts)], taken | batch)
    _refuse_one_after_another(built, computing, taken)
    idle = _idle(built, taken, batch)
    train = getattr(built.train_op, "op", built.train_op)
    updating = _reached([train], taken | batch, lambda op, first: (op.name, first.name) not in idle)
    _refuse_batch(built, updating, batch, idle)
    return Parts(computing, updating, idle)


def evaluation_parts(built: Built) -> Parts:
    """What loss and metrics need. Raises Refused for a metric whose value needs the batch."""
    batch = {placeholder.op.name for placeholder in built.inputs.values()}
    updates = [getattr(update, "op", update) for _, update in built.metrics.values()]
    values = _reached([value.op for value, _ in built.metrics.values()], batch)
    if values & batch:
        name = next(n for n, (v, _) in built.metrics.items() if _reached([v.op], batch) & batch)
        what = f"the value of metric {name!r} depends on the batch and not on its counts only"
        raise Refused(what, where="model_fn", fix="use the functions of tf.compat.v1.metrics, such as mean")
    return Parts(_reached([built.loss.op, *updates], batch) | values, frozenset(), frozenset())


def _reached(starts: Iterable[Any], stops: Set[str], follow: Callable[[Any, Any], bool] | None = None) -> set[str]:
    """What some operations need, themselves and the stops included. follow: of a control input (of, on)."""
    found: set[str] = set()
    waiting = list(starts)
    while waiting:
        op = waiting.pop()
        if op.name in found:
            continue
        found.add(op.name)
        if op.name not in stops:
            waiting += (tensor.op for tensor in op.inputs)
            waiting += (first for first in op.control_inputs if follow is None or follow(op, first))
    return found


def _idle(built: Built, taken: Set[str], batch: Set[str]) -> set[tuple[str, str]]:
    """Control inputs of the update on what only computes: `with control_dependencies([loss])` orders nothing there."""
    known: dict[str, bool] = {}

    def computes(op: Any) -> bool:
        if op.name not in known:
            needs = _reached([op], taken | batch)
            kinds = {built.graph.get_operation_by_name(name).type for name in needs - batch - taken}
            known[op.name] = bool(needs & batch) and kinds <= KERNELS.keys() - UPDATES | _REPLACED
        return known[op.name]

    whole = _reached([getattr(built.train_op, "op", built.train_op)], taken | batch)
    if not whole & batch:
        return set()
    ops = [op for op in built.graph.get_operations() if op.name in whole - taken - batch]
    return {(op.name, first.name) for op in ops for first in op.control_inputs if computes(first)}


def _refuse_one_after_another(built: Built, computing: Set[str], taken: Set[str]) -> None:
    for op in built.graph.get_operations():
        if op.name not in computing:
            continue
        if op.name in taken:
            what = "a gradient or the loss is computed from another optimizer's gradients"
            raise Refused(f"{what}; {_HALVES}", where=line_of(op), fix="compute it from the variables")
        if op.type in UPDATES:
            what = f"{op.type} changes a variable before the gradients are made"
            raise Refused(f"{what}; {_HALVES}", where=line_of(op), fix=_way(built, op))


def _refuse_batch(built: Built, updating: Set[str], batch: Set[str], idle: Set[tuple[str, str]]) -> None:
    if not updating & batch:
        return
    depends = set(batch)
    ops = [op for op in built.graph.get_operations() if op.name in updating]
    for op in ops:
        needs = [t.op.name for t in op.inputs] + [c.name for c in op.control_inputs if (op.name, c.name) not in idle]
        if depends.intersection(needs):
            depends.add(op.name)
    culprits = [op for op in ops if op.name in depends - batch]
    op = next((op for op in culprits if op.type in UPDATES), culprits[0])
    what = f"train_op depends on the batch by {op.type} and not by gradients only"
    raise Refused(f"{what}; {_HALVES}", where=line_of(op), fix=_way(built, op))


def _way(built: Built, op: Any) -> str:
    updates = built.graph.get_collection(tf.compat.v1.GraphKeys.UPDATE_OPS)
    names = {getattr(update, "op", update).name for update in updates}
    if op.name in names or "MovingAvg" in op.name:
        return "leave the moving averages of batch normalization out of train_op, or use layer normalization"
    return "update variables by an optimizer's gradients only, all optimizers from the same weights (tf.group)"
