"""The events of one run, numbered from 1."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from wire.v1 import run_pb2


@dataclass(slots=True)
class Journal:
    """Every event of a run, but of its progress only the latest `progress_kept`."""

    progress_kept: int
    last: int = 0
    _kept: dict[int, run_pb2.RunEvent] = field(default_factory=dict)
    _progress: deque[int] = field(default_factory=deque)

    def add(self, event: run_pb2.RunEvent) -> run_pb2.RunEvent:
        """The event with its number, kept."""
        self.last += 1
        numbered = run_pb2.RunEvent()
        numbered.CopyFrom(event)
        numbered.number = self.last
        self._kept[self.last] = numbered
        if numbered.HasField("progress"):
            self._progress.append(self.last)
        if len(self._progress) > self.progress_kept:
            del self._kept[self._progress.popleft()]
        return numbered

    def after(self, number: int) -> list[run_pb2.RunEvent]:
        """What is kept beyond this number, in order."""
        return [event for event in self._kept.values() if event.number > number]
