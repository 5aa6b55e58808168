"""A run on the system beside the user's loop: one thread follows it, the loop waits for what it wants to look at."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from clients.report import Outcome
from compat.pytorch.jobs import KEPT
from wafer_sim import checkpoints
from wafer_sim.checkpoints import Checkpoint
from wafer_sim.losses import LossesRead
from wire.errors import Fault, NotFound, Stopped
from wire.observed import Arrays
from wire.v1 import run_pb2


class WaferRun:
    """What a run has said so far. All its waits end when the run does: with its Fault where it failed.

    What is not heard of a step that the run has passed is looked up in its folder. first: the step at which it begins;
    steps of the loop count from there. succeeds: another task's loop was chief of the run before, and took states from
    the folder.
    """

    def __init__(self, folder: Path, first: int = 0, *, succeeds: bool = False) -> None:
        self._folder, self.first, self._succeeds = folder, first, succeeds
        self._written = LossesRead(folder)
        self._furthest = self._left = first
        self._news = threading.Condition()
        self._losses: dict[int, float] = {}
        self._values: dict[int, Arrays] = {}
        self._saved: dict[int, Checkpoint | None] = {}
        self.progress: run_pb2.Progress | None = None
        self.outcome: Outcome | None = None
        self._error: BaseException | None = None
        self._interrupt: Callable[[], None] | None = None
        self._thread: threading.Thread | None = None
        self._over = False

    def start(self, work: Callable[[], Outcome | None]) -> None:
        """Begin. work: submits the run and follows it, with the methods below as its hooks."""
        self._thread = threading.Thread(target=self._work, args=(work,), name="wafer run", daemon=True)
        self._thread.start()

    def begun(self, interrupt: Callable[[], None]) -> None:
        with self._news:
            self._interrupt = interrupt

    def advanced(self, progress: run_pb2.Progress) -> None:
        with self._news:
            self.progress = progress
            self._furthest = max(self._furthest, progress.step)
            self._losses[progress.step] = progress.loss
            self._news.notify_all()

    def observed(self, step: int, values: Arrays) -> None:
        with self._news:
            self._values[step] = values
            self._news.notify_all()

    def saved(self, step: int) -> None:
        if step > self._left:
            checkpoint = self._read(step)  # now: later ones may push it out
            with self._news:
                self._saved[step] = checkpoint
                self._news.notify_all()
        else:
            self._thin()

    def left(self, step: int) -> None:
        """The loop needs nothing any more of steps up to this one."""
        with self._news:
            self._left = step
        self._thin()

    def loss(self, step: int) -> float:
        """The loss of a logged step. Raises the Fault that ended the run."""
        self._wait(lambda: step in self._losses or (self._furthest > step and self._written.at(step) is not None))
        with self._news:
            _forget(self._losses, step)
            heard = self._losses.get(step)
        written = self._written.at(step) if heard is None else heard
        return math.nan if written is None else written

    def values(self, step: int) -> Arrays:
        """What is seen of a step, once. Raises the Fault that ended the run, Stopped where it never came."""
        self._wait(lambda: step in self._values)
        if step not in self._values:
            raise Stopped(f"the run ended, and nothing was seen of step {step}", where=str(self._folder))
        return self._values.pop(step)

    def checkpoint(self, step: int) -> Checkpoint | None:
        """The state after a step that is saved; None where it went to the chief before this one, and is not kept.

        Raises the Fault that ended the run, Stopped where it ended without this state.
        """
        self._wait(lambda: step in self._saved or self._furthest > step)
        with self._news:
            _forget(self._saved, step)
            unheard, passed = step not in self._saved, step in self._saved or self._furthest > step
            found = self._saved.get(step)
        found = self._read(step) if unheard else found
        if found is None and not (passed and self._succeeds):
            raise Stopped(f"the run ended without the state of step {step}", where=str(self._folder))
        return found

    def end(self, stop: bool = False) -> Outcome | None:
        """Wait for the end of the run; with `stop`, end it. Raises the Fault that it ended with, unless stopped."""
        if stop:
            self._wait(lambda: self._interrupt is not None, quiet=True)
            if self._interrupt is not None:
                self._interrupt()
        if self._thread is not None:
            self._thread.join()
        if self._error is not None and not stop:
            raise self._error
        return self.outcome

    def _work(self, work: Callable[[], Outcome | None]) -> None:
        try:
            outcome = work()
            with self._news:
                self.outcome = outcome
                if outcome is not None:
                    self._losses[outcome.step] = outcome.loss
        except Fault as fault:
            self._error = fault
        except BaseException as error:  # noqa: BLE001 - it is raised again where the loop waits
            self._error = error
        with self._news:
            self._over = True
            self._news.notify_all()

    def _read(self, step: int) -> Checkpoint | None:
        with suppress(NotFound):
            return checkpoints.read(self._folder / f"checkpoint_{step}")
        return None

    def _thin(self) -> None:
        checkpoints.thin(self._folder, KEPT, self._left)

    def _wait(self, there: Callable[[], bool], quiet: bool = False) -> None:
        with self._news:
            self._news.wait_for(lambda: there() or self._over)
            if self._error is not None and not there() and not quiet:
                raise self._error


def _forget(kept: dict[int, Any], before: int) -> None:
    """What the loop has left behind."""
    for step in [each for each in kept if each < before]:
        kept.pop(step, None)
