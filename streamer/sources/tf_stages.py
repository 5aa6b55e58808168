"""A tf.data pipeline as stages that advice can be given on: seen on its datasets, without running it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import tensorflow as tf
from tensorflow.python.framework import op_def_registry  # what an operation of a function is

from streamer.advice import Stage
from streamer.sources.tf_graph import PYTHON, READERS, kind_of, operations_of
from streamer.sources.tf_lines import Line

_KINDS = {
    "_TensorSliceDataset": "source",
    "_TensorDataset": "source",
    "_RangeDataset": "source",
    "TFRecordDatasetV2": "read",
    "TextLineDatasetV2": "read",
    "FixedLengthRecordDatasetV2": "read",
    "CacheDataset": "cache",
    "_BatchDataset": "batch",
    "_FilterDataset": "filter",
    "_FlatMapDataset": "flat_map",
    "_InterleaveDataset": "interleave",
    "_MapDataset": "map",
    "_PaddedBatchDataset": "padded_batch",
    "_ParallelBatchDataset": "batch",
    "_ParallelInterleaveDataset": "interleave",
    "_ParallelMapDataset": "map",
    "_PrefetchDataset": "prefetch",
    "_RepeatDataset": "repeat",
    "_ShardDataset": "shard",
    "_ShuffleDataset": "shuffle",
    "_UnbatchDataset": "unbatch",
}
_SAME_ELEMENTS = {"_OptionsDataset", "_RepeatDataset", "_ShuffleDataset"}
_SIZES = ("_buffer_size", "_batch_size")
_CALLS = {"StatefulPartitionedCall", "If", "While"}  # what they call is looked at itself


def chain(dataset: Any) -> list[Any]:
    """The datasets that a pipeline is a chain of, the first one first; what several are joined to begins it."""
    found = [_seen(dataset)]
    while len(before := found[-1]._inputs()) == 1:
        found.append(_seen(before[0]))
    return [node for node in reversed(found) if kind_of(node) != "_OptionsDataset"]


def stages_of(dataset: Any, lines: Mapping[int, Line]) -> list[Stage]:
    """The stages of `chain`. lines: what `tf_lines.noted` noted while it was made.

    A dataset is the user's where their line called the method of its name, or its class. What a library function makes
    in itself has no line, and a dataset of an unknown kind is "other".
    """
    return [_stage(node, lines.get(id(node))) for node in chain(dataset)]


def is_pure(node: Any) -> bool:
    """Whether the functions of a dataset give the same for the same, and touch nothing else."""
    return not any(map(_stateful, operations_of(node)))


def _stage(node: Any, line: Line | None) -> Stage:
    kind, operations = _KINDS.get(kind_of(node), "other"), operations_of(node)
    where = line.where if line is not None and (line.itself or line.called == kind) else ""
    return Stage(
        kind,
        where=where,
        size=next((_number(getattr(node, name)) for name in _SIZES if hasattr(node, name)), None),
        inputs=_inputs(node),
        parallel="Parallel" in kind_of(node) or (getattr(node, "_num_parallel_reads", None) or 1) != 1,
        cycle=_number(getattr(node, "_cycle_length", None)),
        python=bool(operations & PYTHON),
        random=any("Random" in operation and _stateful(operation) for operation in operations),
        reads=bool(operations & READERS),
        parses=_parses(node),
    )


def _inputs(node: Any) -> int | None:
    """How many elements a dataset takes in, each repeated one counted once; None where nobody knows."""
    before = node._inputs()
    while len(before) == 1 and kind_of(_seen(before[0])) in _SAME_ELEMENTS:
        before = before[0]._inputs()
    count = _number(before[0].cardinality()) if len(before) == 1 else None
    return None if count is None or count < 0 else count


def _seen(node: Any) -> Any:
    """A dataset, without the adapter that version 1 has around each."""
    return node._dataset if kind_of(node) == "DatasetV1Adapter" else node


def _number(value: Any) -> int | None:
    known = None if value is None else tf.get_static_value(value)
    return None if known is None else int(known)


def _parses(node: Any) -> bool:
    """Whether a function in it parses one Example at a time."""
    for function in node._functions():
        for operation in function.function.graph.get_operations():
            if operation.type == "ParseExampleV2" and operation.inputs[0].shape.rank == 0:
                return True
    return False


def _stateful(operation: str) -> bool:
    known = op_def_registry.get(operation)
    return operation not in _CALLS and known is not None and bool(known.is_stateful)
