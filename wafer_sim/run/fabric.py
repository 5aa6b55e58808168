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

_MADE_UP_SECONDS = 0.005

Tell = Callable[[int, Mapping[str, Array]], None]


class Fabric(Protocol):
    """Takes the batches of one step. `step` counts the updates made before it."""

    def step(self, batches: StepInput, step: int) -> float:
        """The loss of the step; NaN for a fabric that does not compute. Raises NotFinite, the weights unchanged."""
        ...

    def stall(self, batches: StepInput) -> float:
        """For how many seconds the last step, with these batches, could not begin."""
        ...


class NotFinite(Exception):  # noqa: N818 - it is caught where it can be said what to do
    """A loss was NaN or infinite; `args[0]` is the loss."""


class Drain:
    """An emulated accelerator: it computes nothing and consumes at a given rate.

    A step takes rows / rate seconds, and begins when the one before it is done and its batches are there. A timer that
    wakes too late, and what this process does between steps, is made up for, but for a few milliseconds at most: what
    is beyond them is a stall as any other.
    rate: samples per second; 0 takes them as fast as they come. told_to_stop: ends a step that takes its time.
    meanwhile: what can be done for the next steps in that time, a little at each call; whether there was something.
    """

    def __init__(self, rate: float, told_to_stop: threading.Event, meanwhile: Callable[[], bool] | None = None) -> None:
        self._rate = rate
        self._meanwhile = meanwhile
        self._told_to_stop = told_to_stop
        self._due = self._stall = 0.0

    def step(self, batches: StepInput, step: int) -> float:
        if self._rate > 0:
            now = time.perf_counter()
            before = self._due or now
            begun = max(before + batches.came, now - _MADE_UP_SECONDS)
            self._stall, self._due = begun - before, begun + batches.rows / self._rate
            self._pass_time()
        return math.nan

    def stall(self, batches: StepInput) -> float:
        return self._stall if self._rate > 0 else batches.wait

    def _pass_time(self) -> None:
        """Until the step is done."""
        while self._due > time.perf_counter() and self._meanwhile is not None and self._meanwhile():
            pass
        while (left := self._due - time.perf_counter()) > 0 and not self._told_to_stop.wait(left):
            pass


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

    def stall(self, batches: StepInput) -> float:
        return batches.wait
