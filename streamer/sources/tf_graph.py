"""What a tf.data pipeline is made of: seen on its datasets and the graphs of their functions, without running it."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any

import tensorflow as tf

from streamer.sources import Shard
from streamer.user_code import is_library

PYTHON = {"PyFunc", "PyFuncStateless", "EagerPyFunc"}
READERS = {"TFRecordDataset", "TFRecordDatasetV2", "TextLineDataset", "FixedLengthRecordDataset"}
READERS |= {"FixedLengthRecordDatasetV2"}
_SHARD = "_ShardDataset"
_SHARDERS = {"ShardDataset"}
_BEGINNINGS = {"_TensorSliceDataset", "_RangeDataset"}
_PER_ELEMENT = {
    "DatasetV1Adapter",
    "_BatchDataset",
    "_FilterDataset",
    "_FlatMapDataset",
    "_InterleaveDataset",
    "_MapDataset",
    "_OptionsDataset",
    "_PaddedBatchDataset",
    "_ParallelBatchDataset",
    "_ParallelInterleaveDataset",
    "_ParallelMapDataset",
    "_PrefetchDataset",
    "_RepeatDataset",
    "_ShuffleDataset",
    "TFRecordDatasetV2",
}
"""Datasets for which it is the same whether their input is cut into shards or what they give: take, skip and cache,
for instance, mean something else for each shard. An unknown one is not trusted.
"""


def nodes(dataset: Any) -> Iterator[Any]:
    """A dataset and all those that it is made from, the last one first."""
    yield dataset
    for before in dataset._inputs():
        yield from nodes(before)


def endless(dataset: Any) -> bool:
    """Whether it repeats for ever. TensorFlow itself does not say so of a filter or an interleave behind a repeat."""
    if int(dataset.cardinality()) == tf.data.INFINITE_CARDINALITY:
        return True
    before = dataset._inputs()
    return len(before) == 1 and kind_of(dataset) in _PER_ELEMENT and endless(before[0])


def calls_python(dataset: Any) -> bool:
    """Whether Python functions run in it, while it is iterated."""
    return bool(_operations(dataset) & PYTHON)


def parts(dataset: Any) -> int:
    """Into how many shards a pipeline can be cut where it begins, each sample in one of them; 0 where it cannot be."""
    chain = list(nodes(dataset))
    if any(kind_of(node) not in _PER_ELEMENT or len(node._inputs()) > 1 for node in chain[:-1]):
        return 0
    if kind_of(chain[-1]) not in _BEGINNINGS or _operations(dataset) & _SHARDERS:
        return 0
    return max(0, int(chain[-1].cardinality()))


def reads_files(dataset: Any) -> bool:
    """Whether it begins with names of files that TensorFlow's datasets then read."""
    return bool(_operations(dataset) & READERS)


def cut_once(dataset: Any) -> bool:
    """Whether a pipeline has one shard, right behind where it begins."""
    kinds = [kind_of(node) for node in nodes(dataset)]
    return kinds.count(_SHARD) == 1 and kinds[-2:] == [_SHARD, kinds[-1]] and kinds[-1] in _BEGINNINGS


def file_shard(dataset: Any, shard: Shard) -> Any:
    """The dataset with a shard of its files only, as tf.distribute cuts it."""
    flat = tf.nest.flatten(dataset.element_spec)
    tensors = [leaf for leaf in flat if not isinstance(leaf, tf.NoneTensorSpec)]
    variant = tf.raw_ops.AutoShardDataset(
        input_dataset=tf.data.experimental.to_variant(dataset),
        num_workers=shard.of,
        index=shard.number,
        output_types=[leaf.dtype for leaf in tensors],
        output_shapes=[leaf.shape for leaf in tensors],
        auto_shard_policy=tf.data.experimental.AutoShardPolicy.FILE.value,
    )
    return tf.data.experimental.from_variant(variant, dataset.element_spec)


def reshuffles(dataset: Any) -> list[Any]:
    """The shuffles in it that give another order each time that they are iterated."""
    shuffles = [node for node in nodes(dataset) if kind_of(node) == "_ShuffleDataset"]
    return [node for node in shuffles if node._reshuffle_each_iteration is not False]


def shuffled_bytes(dataset: Any) -> float:
    """Bytes that its shuffles hold when they are full; infinite where that cannot be known."""
    return sum(_shuffled(node) for node in nodes(dataset) if kind_of(node) == "_ShuffleDataset")


def line_of(dataset: Any, message: str) -> str:
    """The user's line that made the operation which an error message names; "" where it names none of theirs."""
    for name in reversed(re.findall(r"\{\{?node ([^}]+)\}", message)):
        for graph in (graph for node in nodes(dataset) for graph in _graphs(node)):
            known = {operation.name: operation for operation in graph.get_operations()}
            parts = name.split("/")
            for length in range(len(parts), 0, -1):
                if operation := known.get("/".join(parts[:length])):
                    return _users_line(operation)
    return ""


def _users_line(operation: Any) -> str:
    own = [frame for frame in operation.traceback if not is_library(frame.filename)]
    return f"{own[-1].filename}:{own[-1].lineno} in {own[-1].name}" if own else ""


def _shuffled(node: Any) -> float:
    samples = int(node._buffer_size)
    sizes = [_bytes(leaf) for leaf in tf.nest.flatten(node.element_spec)]
    return math.inf if samples < 0 else samples * sum(sizes)


def _bytes(leaf: Any) -> float:
    if not isinstance(leaf, tf.TensorSpec) or leaf.dtype == tf.string or not leaf.shape.is_fully_defined():
        return 16.0  # at the least
    return float(leaf.shape.num_elements() * leaf.dtype.size)


def operations_of(node: Any) -> set[str]:
    """The kinds of operations in the functions of one dataset, and in those that they call."""
    definitions = [graph.as_graph_def() for graph in _graphs(node)]
    called = [function.node_def for definition in definitions for function in definition.library.function]
    return {node.op for found in ([d.node for d in definitions] + called) for node in found}


def _operations(dataset: Any) -> set[str]:
    """What a pipeline is made of: the kinds of its datasets, and of the operations in their functions."""
    found = [operations_of(node) | {kind_of(node).removeprefix("_")} for node in nodes(dataset)]
    return set().union(*found)


def _graphs(node: Any) -> Iterator[Any]:
    for function in node._functions():
        yield function.function.graph


def kind_of(node: Any) -> str:
    """The name of a dataset's class."""
    return type(node).__name__
