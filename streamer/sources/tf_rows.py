"""Cutting a tf.data pipeline by rows: while a user's function runs, the datasets that it begins with are cut.

TensorFlow's own rewrite cuts by files only; by elements it cuts what comes out of the pipeline, when all work is done.
To insert a shard into a finished pipeline its graph must be written out, with all the data in it (2 GB and 9 s for
60,000 float32 images), so it is inserted when the pipeline is built.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import tensorflow as tf

from streamer.sources import WHOLE, Shard

_BEGINNINGS = ("from_tensor_slices", "range")


@contextmanager
def cut_rows(shard: Shard) -> Iterator[list[Any]]:
    """Datasets that begin in this thread, outside of functions of a pipeline, have the rows of this shard only.

    Gives a list of what was cut. If it is one dataset, and `streamer.sources.tf_graph.cut_once` of what was built with
    it, the pipeline has a shard of its rows; else nobody knows what else the function used them for.
    """
    cut: list[Any] = []
    if shard == WHOLE:
        yield cut
        return
    whole = {name: vars(tf.data.Dataset)[name] for name in _BEGINNINGS}
    for name, begin in whole.items():
        setattr(tf.data.Dataset, name, staticmethod(_cut(begin.__func__, shard, cut)))
    try:
        yield cut
    finally:
        for name, begin in whole.items():
            setattr(tf.data.Dataset, name, begin)


def _cut(begin: Callable[..., Any], shard: Shard, done: list[Any]) -> Callable[..., Any]:
    thread = threading.get_ident()

    def begin_cut(*arguments: Any, **named: Any) -> Any:
        dataset = begin(*arguments, **named)
        if threading.get_ident() != thread or not tf.executing_eagerly():
            return dataset
        done.append(dataset)
        return dataset.shard(shard.of, shard.number)

    return begin_cut
