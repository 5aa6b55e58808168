"""A host call in training: its function runs here, over values that come off the system, and writes summaries."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import tensorflow as tf

from clients.sources import model_errors
from clients.tensorflow.graph_errors import graph_errors
from wire.observed import Arrays

log = logging.getLogger("tensorflow")


class HostSummaries:
    """Event files in `folder`, from what a host call's function makes of each step's values. Close it at the end.

    It gets values from just before the update of a step: of floating-point numbers the replicas' mean, of other
    tensors what the first replica has.
    """

    def __init__(self, folder: Path) -> None:
        self._folder, self._graph = folder, tf.Graph()
        self._given: list[Any] = []
        self._made: Any = None
        self._open = ExitStack()
        self._session: Any = None
        self._writer: Any = None

    def prepare(self, function: Callable[..., Any], tensors: Sequence[Any]) -> None:
        """Call the function once, with placeholders like these tensors, in a graph of its own.

        A second call takes the place of the first. Raises InvalidInput, at the user's line, for what it raises.
        """
        self._graph = tf.Graph()
        with self._graph.as_default(), model_errors("making the host call"):
            self._given = [tf.compat.v1.placeholder(_dtype(each), each.shape, name=each.op.name) for each in tensors]
            function(*self._given)
            self._made = tf.compat.v1.summary.merge_all()
        if self._made is None:
            log.warning("The host_call of training writes no summary: use tf.compat.v1.summary.scalar(name, value)")

    def write(self, step: int, values: Arrays) -> None:
        """Leave a step's summaries. values: by the tensors' places. Raises InvalidInput for what the graph raises."""
        if self._made is None:
            return
        with self._graph.as_default(), graph_errors("running the host call"):
            if self._session is None:
                self._start()
            fed = {given: values[str(place)] for place, given in enumerate(self._given)}
            self._writer.add_summary(self._session.run(self._made, fed), step)
            self._writer.flush()

    def close(self) -> None:
        self._open.close()

    def _start(self) -> None:
        self._session = tf.compat.v1.Session(graph=self._graph)
        self._open.callback(self._session.close)
        self._session.run([tf.compat.v1.global_variables_initializer(), tf.compat.v1.local_variables_initializer()])
        self._writer = tf.compat.v1.summary.FileWriter(str(self._folder))
        self._open.callback(self._writer.close)


def _dtype(tensor: Any) -> Any:
    return tf.float32 if tensor.dtype == tf.bfloat16 else tensor.dtype
