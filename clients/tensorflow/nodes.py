"""From TensorFlow's operations to a dataflow program's nodes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from clients.tensorflow.lines import line_of
from wafer_sim.compiler.dataflow import Attr, DataNode, Dtype, Shape, Value
from wafer_sim.kernels.tensorflow import KERNELS
from wire.errors import Refused

KEY_NODE = "wafer_key"
TRAIN_NODE = "wafer_train"
_OWN = ("allowed_devices", "container", "debug_name")

STATELESS = {
    "RandomUniform": ("StatelessRandomUniform", {"dtype": "dtype", "T": "T"}),
    "RandomStandardNormal": ("StatelessRandomNormal", {"dtype": "dtype", "T": "T"}),
    "TruncatedNormal": ("StatelessTruncatedNormal", {"dtype": "dtype", "T": "T"}),
    "RandomUniformInt": ("StatelessRandomUniformInt", {"dtype": "Tout", "T": "T"}),
    "Multinomial": ("StatelessMultinomial", {"output_dtype": "output_dtype", "T": "T"}),
}
"""Random operations with a state of their own -> the one without, and its attributes from theirs."""
_SHAPE_ALONE = {"RandomUniform", "RandomStandardNormal", "TruncatedNormal", "RandomUniformInt"}


class Nodes:
    """Collects nodes in the order in which operations are added: each after those that it needs.

    taken: names of the placeholders that stand for reduced gradients. handles: a handle's operation -> its variable.
    moved: an assignment -> the value that a placeholder of its own (see `moved_value`) takes the place of.
    """

    def __init__(self, taken: Sequence[str], handles: Mapping[str, str], moved: Mapping[str, Any]) -> None:
        self._taken = frozenset(taken)
        self._handles = handles
        self._moved = moved
        self._draws = 0
        self.nodes: list[DataNode] = []

    def add(self, op: Any, idle: frozenset[str] = frozenset()) -> None:
        """idle: control inputs that are left out. Raises Refused for a loop, and branches of different shapes."""
        _refuse_flow(op)
        if op.type == "Const" and op.outputs[0].dtype == tf.string:
            return  # an assertion does without it, whatever else takes a string is refused by its own name
        source = line_of(op)
        controls = tuple(f"^{c.name}" for c in op.control_inputs if c.name not in idle)
        inputs = tuple(_reference(tensor) for tensor in op.inputs)
        if op.name in self._moved:
            made = self._moved[op.name]
            kind, shape = Dtype(made.dtype.name), Shape(tuple(made.shape.as_list()))
            self._node(moved_value(op), "Placeholder", (), {"dtype": kind, "shape": shape}, source)
            inputs = (inputs[0], moved_value(op))
        if op.name in self._taken:
            attrs = {"dtype": _attr(op, "dtype"), "shape": _attr(op, "shape")}
            self._node(op.name, "Placeholder", (), attrs, source)
        elif op.type == "PlaceholderWithDefault":
            self._node(op.name, "Identity", (*inputs, *controls), {"T": _attr(op, "dtype")}, source)
        elif op.type in STATELESS:
            self._draw(op, inputs, controls, source)
        elif op.type == "Assert":
            self._check(op, controls, source)
        else:
            self._node(op.name, op.type, (*inputs, *controls), self._attrs(op), source)

    def add_train(self, ends: Sequence[Any]) -> None:
        """The update's last node, after which all of `ends` are done."""
        self._node(TRAIN_NODE, "NoOp", tuple(f"^{op.name}" for op in ends), {}, "")

    @property
    def draws(self) -> bool:
        """There are random numbers among the nodes, so the key has to be fed."""
        return self._draws > 0

    def _node(self, name: str, op: str, inputs: tuple[str, ...], attrs: Mapping[str, Attr], source: str) -> None:
        self.nodes.append(DataNode(name, op, inputs, attrs, source))

    def _attrs(self, op: Any) -> dict[str, Attr]:
        """An operation without a kernel is refused by its name, so its attributes need not be told."""
        if op.type not in KERNELS:
            return {}
        names = [n for n in op.node_def.attr if not n.startswith("_") and n not in _OWN]
        attrs = {name: _attr(op, name) for name in sorted(names)}
        if op.name in self._handles:
            attrs["shared_name"] = self._handles[op.name]
        return attrs

    def _check(self, op: Any, controls: tuple[str, ...], source: str) -> None:
        """An assertion, which says the numbers and not the words that it was given; the user's line says more."""
        condition, *data = op.inputs
        said = [tensor for tensor in data if tensor.dtype != tf.string] or [condition]
        attrs = {"T": tuple(Dtype(tensor.dtype.name) for tensor in said), "summarize": _attr(op, "summarize")}
        self._node(op.name, op.type, (*map(_reference, (condition, *said)), *controls), attrs, source)

    def _draw(self, op: Any, inputs: tuple[str, ...], controls: tuple[str, ...], source: str) -> None:
        """Numbers drawn from (the fed key + this node's own number)."""
        int64 = Dtype("int64")
        if not self._draws:
            self._node(KEY_NODE, "Placeholder", (), {"dtype": int64, "shape": Shape((2,))}, "")
        self._draws += 1
        number = np.array([0, self._draws], dtype="<i8").tobytes()
        own, seed = f"{op.name}/wafer_number", f"{op.name}/wafer_seed"
        self._node(own, "Const", (), {"dtype": int64, "value": Value("int64", (2,), number)}, source)
        self._node(seed, "AddV2", (KEY_NODE, own), {"T": int64}, source)
        kind, renamed = STATELESS[op.type]
        attrs = {**{new: _attr(op, old) for new, old in renamed.items()}, "Tseed": int64}
        at = 1 if op.type in _SHAPE_ALONE else len(inputs)
        self._node(op.name, kind, (*inputs[:at], seed, *inputs[at:], *controls), attrs, source)


def _refuse_flow(op: Any) -> None:
    """A loop is many operations; they are refused as what they are together."""
    if op.type == "Enter":
        what = "the wafer has no kernel for a loop: tf.while_loop, or a recurrent layer that is not unrolled"
        raise Refused(what, where=line_of(op), fix="give the layer unroll=True; a Python loop of fixed length repeats")
    if op.type == "Merge" and not op.outputs[0].shape.is_fully_defined():
        what = "the branches of tf.cond give tensors of different shapes, and the wafer's shapes are fixed"
        raise Refused(what, where=line_of(op), fix="give both branches the same shape, by padding for example")


def moved_value(op: Any) -> str:
    """The placeholder of what a moving average and the like is updated by."""
    return f"{op.name}/wafer_reduced"


def _reference(tensor: Any) -> str:
    return tensor.op.name if tensor.value_index == 0 else f"{tensor.op.name}:{tensor.value_index}"


def reference(thing: Any) -> str:
    """A tensor or an operation, as a fetch names it."""
    return _reference(thing) if isinstance(thing, tf.Tensor) else f"^{getattr(thing, 'op', thing).name}"


def _attr(op: Any, name: str) -> Attr:
    attr = op.node_def.attr[name]
    kind = attr.WhichOneof("value")
    if kind == "list":
        lists = ((f.name, values) for f, values in attr.list.ListFields())
        return tuple(_single(of, value) for of, values in lists for value in values)
    return _single(kind, getattr(attr, kind))


def _single(kind: str, value: Any) -> Attr:  # noqa: PLR0911 - one return for each kind
    match kind:
        case "type":
            return Dtype(tf.as_dtype(value).name)
        case "shape":
            if value.unknown_rank:
                return Shape(None)
            return Shape(tuple(None if d.size < 0 else int(d.size) for d in value.dim))
        case "tensor":
            return _value(value)
        case "s":
            return str(value.decode("utf-8", "replace"))
        case "b":
            return bool(value)
        case "f":
            return float(value)
        case "i":
            return int(value)
    return f"<{kind}>"


def _value(proto: Any) -> Value:
    dtype = tf.as_dtype(proto.dtype)
    array = tf.make_ndarray(proto)
    data = b"" if dtype == tf.string else np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<")).tobytes()
    return Value(dtype.name, tuple(array.shape), data)
