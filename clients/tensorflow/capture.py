"""Capture: from a model_fn to a dataflow program, which is data, and the weights it starts with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from clients.tensorflow.building import Built, Call, build, fields, in_order
from clients.tensorflow.lines import line_of
from clients.tensorflow.nodes import KEY_NODE, STATELESS, TRAIN_NODE, Nodes, moved_value, reference
from clients.tensorflow.pruning import Parts, evaluation_parts, loss_parts, training_parts
from wafer_sim.compiler.check import require_kernels, require_supported
from wafer_sim.compiler.dataflow import (
    BUFFER,
    GRAD,
    INPUT,
    KEY,
    LOCAL,
    LOSS,
    METRIC,
    OBSERVED,
    OPTIMIZER,
    TRAIN,
    WEIGHT,
    Dataflow,
    DataGraph,
    Variable,
)
from wafer_sim.compiler.program import EVALUATE, GRADIENTS, Entry, Tensor
from wafer_sim.runtime.protocol import State
from wire.errors import InvalidInput, Refused
from wire.findings import Findings

Arrays = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Captured:
    """A program and the values that its variables start with, by the user's own names, the optimizers' among them.

    host_call: of training, the function and the tensors that the program lets be seen, which it gets.
    """

    program: Dataflow
    initial_weights: Arrays
    host_call: tuple[Any, tuple[Any, ...]] | None = None

    def state(self) -> State:
        """The initial values as a checkpoint holds them."""
        roles = {p.tensor.name: p.role for p in self.program.parameters}
        weights, optimizer = (
            {name: array for name, array in self.initial_weights.items() if roles[name] == role}
            for role in (WEIGHT, OPTIMIZER)
        )
        return State(weights, optimizer)


def capture(call: Call, element: Any, entries: Sequence[Entry], seed: int = 0) -> Captured:
    """Capture a model_fn for the given entries, each in a graph of its own.

    call: (features, labels, mode) -> the spec that the model_fn returns. element: (features, labels), a structure of
    tf.TensorSpec with the batch dimension first; its length is each entry's. The program's inputs have the names and
    the order that `streamer.structure` gives the batch. seed: of the initial values; they are computed here, once.

    Raises InvalidInput, at the user's own line, for a model_fn that fails or gives no scalar loss or no train_op, and
    Refused for what the wafer has not: operations without a kernel, the Metrics API in training, a train_op that needs
    the batch by another way than gradients
    and values that are not trained, such as moving averages. Problems that do not need each other are told together.
    """
    variables: dict[str, Variable] = {}
    weights: Arrays = {}
    graphs: dict[Entry, DataGraph] = {}
    host_call = None
    for entry in sorted(entries, key=lambda e: e.kind != GRADIENTS):
        findings = Findings()
        built = build(call, element, entry, seed, findings)
        host_call = host_call or built.host_call
        parts = None
        with findings:
            parts = _parts(built, entry)
        with findings:
            found, values = _variables(built)
            _require_same(variables, found)
            variables, weights = {**found, **variables}, {**values, **weights}
            graphs[entry] = _checked(built, parts, entry, Dataflow(tuple(variables.values()), _inputs(element)))
        findings.settle()
    program = Dataflow(tuple(variables.values()), _inputs(element), graphs)
    kept = {p.tensor.name for p in program.parameters if p.role != LOCAL}
    return Captured(program, {name: array for name, array in weights.items() if name in kept}, host_call)


def _parts(built: Built, entry: Entry) -> Parts | None:
    """None where there is no train_op, which is told already. Raises what the parts are refused for."""
    if entry.kind != GRADIENTS:
        return evaluation_parts(built)
    return None if built.train_op is None else training_parts(built)


def _checked(built: Built, parts: Parts | None, entry: Entry, program: Dataflow) -> DataGraph:
    """The graph of an entry. Raises Refused where the wafer cannot run it; without parts, where its loss needs
    operations that have no kernel.
    """
    if parts is None:
        entry = Entry(EVALUATE, entry.batch_size)
    graph = _graph(built, parts or loss_parts(built), entry)
    whole = replace(program, graphs={entry: graph})
    (require_kernels if parts is None else require_supported)(whole)
    return graph


def _inputs(element: Any) -> tuple[Tensor, ...]:
    return tuple(Tensor(n, tuple(s.shape[1:].as_list()), s.dtype.name) for n, s in fields(element).items())


def _graph(built: Built, parts: Parts, entry: Entry) -> DataGraph:
    taken = [cut.taken.op.name for cut in built.seen.cuts]
    handles = {v.handle.op.name: _name(v) for v in _all_variables(built)}
    nodes = Nodes(taken, handles, {each.op.name: each.made for each in parts.moved})
    for op in in_order(built.graph):
        if op.name in parts.updating and op.type in STATELESS:
            what = f"{op.type} draws random numbers in the update"
            raise Refused(what, where=line_of(op), fix="draw them where the loss is computed")
        if op.name in parts.computing | parts.updating | parts.observing:
            nodes.add(op, frozenset(on for of, on in parts.idle if of == op.name))
    if entry.kind == GRADIENTS:
        nodes.add_train([getattr(built.train_op, "op", built.train_op), *parts.effects])
    kept = {node.name for node in nodes.nodes}
    feeds = {INPUT + name: t.op.name for name, t in built.inputs.items() if t.op.name in kept}
    feeds |= {KEY: KEY_NODE} if nodes.draws else {}
    ends = _training_ends(built, parts, handles) if entry.kind == GRADIENTS else _evaluation_ends(built)
    return DataGraph(tuple(nodes.nodes), {**feeds, **ends[0]}, {LOSS: reference(built.loss), **ends[1]})


def _training_ends(built: Built, parts: Parts, handles: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    feeds: dict[str, str] = {}
    fetches = {TRAIN: f"^{TRAIN_NODE}"}
    ends = [(GRAD + _name(cut.variable), cut.taken.op.name, cut.made) for cut in built.seen.cuts]
    ends += [(BUFFER + handles[each.handle.name], moved_value(each.op), each.made) for each in parts.moved]
    times: Counter[str] = Counter()
    for first, taken, made in ends:
        times[first] += 1
        name = first if times[first] == 1 else f"{first}#{times[first]}"
        feeds[name], fetches[name] = taken, reference(made)
    for place, tensor in enumerate(built.host_call[1] if built.host_call else ()):
        fetches[f"{OBSERVED}{place}"] = reference(tensor)
    return feeds, fetches


def _evaluation_ends(built: Built) -> tuple[dict[str, str], dict[str, str]]:
    fetches: dict[str, str] = {}
    for name, (value, update) in built.metrics.items():
        fetches |= {f"{METRIC}{name}/value": reference(value), f"{METRIC}{name}/update": reference(update)}
    return {}, fetches


def _name(variable: Any) -> str:
    return str(variable.name).removesuffix(":0")


def _all_variables(built: Built) -> list[Any]:
    """The graph's variables. Raises Refused for one of the old kind, which has no handle."""
    keys = tf.compat.v1.GraphKeys
    found = {
        v.name: v for key in (keys.GLOBAL_VARIABLES, keys.LOCAL_VARIABLES) for v in built.graph.get_collection(key)
    }
    for variable in found.values():
        if not hasattr(variable, "handle"):
            what = f"{_name(variable)!r} is no resource variable"
            raise Refused(what, where=line_of(variable.op), fix="leave out use_resource=False")
    return list(found.values())


def _variables(built: Built) -> tuple[dict[str, Variable], Arrays]:
    """Every variable of the graph, and its initial value."""
    found = _all_variables(built)
    values = dict(zip(map(_name, found), _initial(built, found), strict=True))
    with built.graph.as_default():
        slots = {_name(v) for optimizer in built.seen.optimizers for v in optimizer.variables()}
    local = {_name(v) for v in built.graph.get_collection(tf.compat.v1.GraphKeys.LOCAL_VARIABLES)}
    trained = {_name(cut.variable) for cut in built.seen.cuts}
    variables = {}
    for variable in found:
        name = _name(variable)
        role = LOCAL if name in local else OPTIMIZER if name in slots else WEIGHT
        tensor = Tensor(name, tuple(variable.shape.as_list()), variable.dtype.name)
        fill = _fill(values[name]) if role != WEIGHT else None
        if role == LOCAL and fill is None:
            raise Refused(f"metric variable {name!r} does not start with one number", where=line_of(variable.op))
        variables[name] = Variable(tensor, name in trained, role, fill)
    return variables, values


def _initial(built: Built, variables: Iterable[Any]) -> list[npt.NDArray[Any]]:
    """Run the initialisers, on one thread: the same seed gives the same bits."""
    config = tf.compat.v1.ConfigProto(intra_op_parallelism_threads=1, inter_op_parallelism_threads=1)
    with built.graph.as_default(), tf.compat.v1.Session(graph=built.graph, config=config) as session:
        session.run(tf.group(*(v.initializer for v in variables)))
        return [np.asarray(a) for a in session.run([v.read_value() for v in variables])]


def _fill(array: npt.NDArray[Any]) -> float | None:
    if array.size == 0 or np.any(array != array.flat[0]):
        return None
    return float(array.flat[0])


def _require_same(known: Mapping[str, Variable], found: Mapping[str, Variable]) -> None:
    for name in known.keys() & found.keys():
        if known[name].tensor != found[name].tensor:
            what = f"variable {name!r} is {known[name].tensor} in training and {found[name].tensor} in evaluation"
            raise InvalidInput(what, where="model_fn", fix="build the same model in every mode")
