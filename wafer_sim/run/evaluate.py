"""Evaluation: every batch of the set once, sums added up, averages at the end."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from wafer_sim.meter import Meter
from wafer_sim.run.board import Board, position_message, progress_message, timeline_message
from wafer_sim.run.feed import Feed, StepInput
from wafer_sim.run.measured import measured
from wafer_sim.runtime.protocol import Executor
from wire.errors import InvalidInput
from wire.v1 import run_pb2

LOSS = "loss"
"""What a batch's own loss is called among the values that are seen of it."""


class Evaluation:
    """Evaluates the weights of a checkpoint over the streams until they end, or for max_steps batches (0: all)."""

    def __init__(self, spec: run_pb2.RunSpec, executor: Executor, feed: Feed, board: Board) -> None:
        self._spec = spec
        self._executor = executor
        self._feed = feed
        self._board = board
        self._sums: dict[str, float] = {}
        self._batches = 0
        self._complete = False
        self._meter = Meter(time.perf_counter())
        self._measured = measured(feed, board)
        self.stop_asked = threading.Event()
        self.programming_seconds = 0.0

    def run(self) -> None:
        """Raises SeamClosed when stopped, Unreachable for a late stream, InvalidInput for a bad batch or for none."""
        while not self.stop_asked.is_set() and not self._complete:
            taken = self._feed.take()
            if taken is not None:
                self._add(taken)
            elif not self._batches:
                raise InvalidInput("the evaluation set gave no batch", fix="look at the data, or lower the batch size")
            self._complete = taken is None or self._batches == self._spec.max_steps

    def end(self) -> None:
        """Say what came out, of all batches or of those taken before the run was stopped."""
        self._measured.forget()
        seams = [*self._board.seams(), *self._feed.seams()]
        self._board.finished(
            run_pb2.Finished(
                progress=self._progress(),
                metrics={**averages(self._sums), **self._executor.metrics()},
                programming_seconds=self.programming_seconds,
                seams=seams,
                stopped=not self._complete,
                timeline=timeline_message(self._meter),
            )
        )

    def _add(self, taken: StepInput) -> None:
        first = not self._batches
        if first:
            self._board.phase("running")
            self._begin()
        self._batches += 1
        for batch in taken.batches:
            for name, value in self._evaluated(batch).items():
                self._sums[name] = self._sums.get(name, 0.0) + value
        self._feed.commit(taken, self._batches)
        stall, late = (0.0, 0.0) if first else (taken.wait, taken.late)
        self._meter.step(time.perf_counter(), taken.rows, stall, late)
        if self._board.due():
            self._meter.lap()
            self._board.progress(self._progress())

    def _begin(self) -> None:
        """What is measured begins now."""
        self._meter = Meter(time.perf_counter())
        self._board.machines.begin()
        self._measured.forget()

    def _evaluated(self, batch: Sequence[npt.NDArray[np.generic]]) -> dict[str, float]:
        """The sums of a batch, of which its loss and what the program lets be seen are told where they are due."""
        every = self._spec.summary_steps
        if not every or self._batches % every:
            return self._executor.evaluate(batch)
        sums, seen = self._executor.look(batch)
        self._board.observed(self._batches, {LOSS: np.array(sums["loss"] / sums["rows"], np.float32), **seen})
        return sums

    def _progress(self) -> run_pb2.Progress:
        reading = self._meter.reading()
        progress = progress_message(reading, self._batches, self._spec.max_steps, self._loss)
        progress.stalls.extend(self._board.stalls(reading.stall_seconds, reading.late_seconds))
        self._measured().told(progress)
        progress.streams.extend(position_message(p) for p in self._feed.ledger.positions.values())
        return progress

    @property
    def _loss(self) -> float:
        rows = self._sums.get("rows", 0.0)
        return self._sums["loss"] / rows if rows else float("nan")


def averages(sums: Mapping[str, float]) -> dict[str, float]:
    """Metric -> its average. sums: "metric/<name>/sum" and "metric/<name>/count", added up over all batches."""
    names = [key.removeprefix("metric/").removesuffix("/sum") for key in sums if key.endswith("/sum")]
    return {name: sums[f"metric/{name}/sum"] / sums[f"metric/{name}/count"] for name in names}
