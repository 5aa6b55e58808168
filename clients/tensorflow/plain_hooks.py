"""What a plain training run watches at each step: the loss, the pace, the samples."""

from __future__ import annotations

import logging
import math
import time
from typing import Any

import tensorflow as tf

from wire.errors import InvalidInput

log = logging.getLogger("tensorflow")


class Watch(tf.compat.v1.train.SessionRunHook):  # type: ignore[misc] # TensorFlow has no types
    """Says how training goes, and ends it at a loss that is no number, before that step is saved.

    loss: the scalar tensor. step: where training begins. every: steps between log lines and rates in the events, which
    go to `folder`; 0 for none.
    """

    def __init__(self, loss: Any, step: int, every: int, folder: str) -> None:
        self._tensor = loss
        self.step, self.loss, self.samples, self.seconds = step, math.nan, 0, 0.0
        self._every, self._folder = every, folder
        self._begun = self._logged = time.perf_counter()
        self._logged_step = step

    def start(self) -> None:
        """The clock starts: the next thing is the first step."""
        self._begun = self._logged = time.perf_counter()

    def took(self, step: int, loss: float, rows: int) -> None:
        """A step was made; its loss was looked at before."""
        self.step, self.loss, self.samples = step, loss, self.samples + rows
        self.seconds = time.perf_counter() - self._begun
        if self._every and step // self._every > self._logged_step // self._every:
            self._log()

    def before_run(self, run_context: Any) -> Any:
        return tf.compat.v1.train.SessionRunArgs(self._tensor)

    def after_run(self, run_context: Any, run_values: Any) -> None:
        """Raises InvalidInput for a loss that is no number."""
        loss = float(run_values.results)
        if not math.isfinite(loss):
            what = f"the loss of the step after step {self.step} is {loss}"
            fix = "lower the learning rate or look at the data; the last checkpoint is from before it"
            raise InvalidInput(what, where=f"step {self.step + 1}", fix=fix)

    def _log(self) -> None:
        now = time.perf_counter()
        rate = (self.step - self._logged_step) / max(now - self._logged, 1e-9)
        self._logged, self._logged_step = now, self.step
        log.info("global step %d: loss = %.4f (%.2f steps/sec)", self.step, self.loss, rate)
        value = tf.compat.v1.Summary.Value(tag="global_step/sec", simple_value=rate)
        writer = tf.compat.v1.summary.FileWriterCache.get(self._folder)
        writer.add_summary(tf.compat.v1.Summary(value=[value]), self.step)
