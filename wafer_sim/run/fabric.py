"""What a step does with its batches: compute, or drain them."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Mapping
from typing import Protocol

from wafer_sim.replicas import Replicas
from wafer_sim.run.feed import StepInput
from wafer_sim.runtime.protocol import Array

Tell = Callable[[int, Mapping[str, Array]], None]


class Fabric(Protocol):
    """Takes the batches of one step. `step` counts the updates made before it."""

    def step(self, batches: StepInput, step: int) -> float:
        """The loss of the step; NaN for a fabric that does not compute. Raises NotFinite, the weights unchanged."""
        ...


class NotFinite(Exception):  # noqa: N818 - it is caught where it can be said what to do
    """A loss was NaN or infinite; `args[0]` is the loss."""


class Drain:
    """An emulated accelerator: it computes nothing and consumes at a given rate.

    rate: samples per second; 0 takes them as fast as they come. told_to_stop: ends a step that takes its time.
    """

    def __init__(self, rate: float, told_to_stop: threading.Event) -> None:
        self._rate = rate
        self._told_to_stop = told_to_stop
        self._due = 0.0

    def step(self, batches: StepInput, step: int) -> float:
        if self._rate > 0:
            now = time.perf_counter()
            self._due = max(self._due, now) + batches.rows / self._rate
            if self._due > now:
                self._told_to_stop.wait(self._due - now)
        return math.nan


class Compute:
    """Runs the model: gradients in every replica, one update.

    check: a loss that is not finite raises NotFinite. Without it the run goes on; such a step changes no weight.
    every: so many steps what the program lets be seen is told, with the step; 0: never.
    """

    def __init__(self, replicas: Replicas, *, check: bool, every: int = 0, tell: Tell | None = None) -> None:
        self._replicas = replicas
        self._check = check
        self._every, self._tell = every, tell

    def step(self, batches: StepInput, step: int) -> float:
        due = self._every > 0 and (step + 1) % self._every == 0
        result = self._replicas.step(batches.batches, step, observe=due)
        if result.observed and self._tell is not None:
            self._tell(step + 1, result.observed)
        if self._check and not result.applied:
            raise NotFinite(result.loss)
        return result.loss
