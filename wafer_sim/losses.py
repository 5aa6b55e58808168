"""losses.csv of a model_dir: the loss of each logged step, as the wafer process made it.

    step,loss
    20,1.3862943649291992

Whoever follows a run hears its losses; who comes later finds those of before here. A process that goes back to a
checkpoint makes the same steps again, and the lines are there again.
"""

from __future__ import annotations

import os
from contextlib import closing, suppress
from pathlib import Path
from typing import BinaryIO

from wafer_sim.durable import faults_said

NAME = "losses.csv"
_HEAD = b"step,loss\n"


class LossLog:
    """Adds to the losses of a model_dir, from the first one on. Raises Exhausted where the disk is full."""

    def __init__(self, model_dir: Path) -> None:
        self._path = model_dir / NAME
        self._file: BinaryIO | None = None

    def add(self, step: int, loss: float) -> None:
        """A whole line, which a reader sees at once."""
        with faults_said(self._path):
            self._file = self._file or _opened(self._path)
            self._file.write(b"%d,%r\n" % (step, loss))
            self._file.flush()

    def sync(self) -> None:
        """What was added outlives a power cut."""
        if self._file is not None:
            with faults_said(self._path):
                os.fsync(self._file.fileno())

    def close(self) -> None:
        """Let go of the file; what was added lasts."""
        self.sync()
        if self._file is not None:
            self._file.close()
            self._file = None


class LossesRead:
    """What is in there so far. Each look reads on from the one before."""

    def __init__(self, model_dir: Path) -> None:
        self._path = model_dir / NAME
        self._at = 0
        self._losses: dict[int, float] = {}

    def at(self, step: int) -> float | None:
        """The loss of a step; None where it is not there, or not yet. Raises InvalidInput."""
        if step not in self._losses:
            self._read_on()
        return self._losses.get(step)

    def _read_on(self) -> None:
        with faults_said(self._path, "reading"), suppress(FileNotFoundError), closing(self._path.open("rb")) as file:
            file.seek(self._at)
            whole = file.read().rpartition(b"\n")[0]  # the last line may be half written
            self._at += len(whole) + 1 if whole else 0
            for line in whole.removeprefix(_HEAD.strip()).split():
                step, _, loss = line.partition(b",")
                self._losses[int(step)] = float(loss)


def _opened(path: Path) -> BinaryIO:
    """To add to it; what a process that died left half written is cut off."""
    file = path.open("ab+")
    file.seek(0)
    whole, end, _ = file.read().rpartition(b"\n")
    file.truncate(len(whole) + len(end))
    if not end:
        file.write(_HEAD)
    return file
