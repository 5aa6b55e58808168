"""SPDL: a pipeline of threads; batches of row numbers go in, gathered and scaled batches come out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from benchmarks.peers.task import Task, index_batches, scaled

PACKAGE = "spdl"
_AHEAD = 8


class Spdl:
    """One thread or two that gather, cast and scale, whatever is best here."""

    settings: Sequence[str] = ("1 thread", "2 threads")

    def __init__(self, task: Task) -> None:
        from spdl.pipeline import PipelineBuilder

        self._builder: Any = PipelineBuilder
        self._task = task
        self._pixels, self._labels = task.read()

    def batches(self, setting: str, epochs: int | None) -> Iterator[Sequence[Any]]:
        threads = int(setting.partition(" ")[0])
        rows = index_batches(len(self._labels), self._task.batch_size, self._task.seed, epochs)
        built = self._builder().add_source(rows).pipe(self._gathered, concurrency=threads)
        pipeline = built.add_sink(_AHEAD).build(num_threads=threads)
        with pipeline.auto_stop():
            yield from pipeline.get_iterator(timeout=60)

    def close(self) -> None:
        """A pipeline's threads go with it."""

    def _gathered(self, rows: Any) -> tuple[Any, Any]:
        return scaled(self._pixels[rows]), self._labels[rows]


open_peer = Spdl
