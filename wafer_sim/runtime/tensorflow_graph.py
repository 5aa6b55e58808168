"""From checked nodes to TensorFlow's own GraphDef."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf
from tensorflow.core.framework.tensor_pb2 import TensorProto

from wafer_sim.compiler.dataflow import Attr, DataGraph, DataNode, Dtype, Shape, Value


def graph_def(graph: DataGraph) -> Any:
    """A GraphDef of nodes that have been checked against the kernel library."""
    made: Any = tf.compat.v1.GraphDef()
    made.versions.producer = tf.version.GRAPH_DEF_VERSION
    for node in graph.nodes:
        _add(made, node)
    return made


def _add(made: Any, node: DataNode) -> None:
    target = made.node.add(name=node.name, op=node.op, input=node.inputs)
    for name, attr in node.attrs.items():
        _fill(target.attr[name], attr)


def _fill(target: Any, attr: Attr) -> None:
    if isinstance(attr, tuple):
        _fill_list(target.list, attr)
    elif isinstance(attr, Shape | Value):
        getattr(target, _FIELDS[type(attr)]).CopyFrom(_plain(attr))
    else:
        setattr(target, _FIELDS[type(attr)], _plain(attr))


def _fill_list(target: Any, attrs: Sequence[Attr]) -> None:
    """An empty list says nothing of its kind, and needs not to."""
    target.SetInParent()
    for attr in attrs:
        getattr(target, _FIELDS[type(attr)]).append(_plain(attr))


_FIELDS: dict[type, str] = {
    bool: "b",
    int: "i",
    float: "f",
    str: "s",
    Dtype: "type",
    Shape: "shape",
    Value: "tensor",
}


def _plain(attr: Attr) -> Any:
    match attr:
        case str():
            return attr.encode()
        case Dtype(name):
            return tf.as_dtype(name).as_datatype_enum
        case Shape(dims):
            return tf.TensorShape(dims).as_proto()
        case Value(dtype, shape, data):
            kind = tf.as_dtype(dtype).as_datatype_enum
            return TensorProto(dtype=kind, tensor_shape=tf.TensorShape(shape).as_proto(), tensor_content=data)
    return attr
