"""The events of one run, numbered."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from wire.v1 import run_pb2

LASTING = frozenset({"saved", "finished", "failed"})
"""The kinds of events that outlive the coordinator."""


class History:
    """Every lasting event of a run, and of each other kind the latest `kept`.

    base: numbers are given above it. past: events that an earlier coordinator numbered, all below.
    """

    def __init__(self, kept: int, base: int = 0, past: Iterable[run_pb2.RunEvent] = ()) -> None:
        self._most = kept
        self._last = base
        self._kept: dict[int, run_pb2.RunEvent] = {event.number: event for event in past}
        self._passing: dict[str, deque[int]] = {}

    def add(self, event: run_pb2.RunEvent) -> run_pb2.RunEvent:
        """The event with its number, kept."""
        self._last += 1
        numbered = run_pb2.RunEvent()
        numbered.CopyFrom(event)
        numbered.number = self._last
        self._kept[self._last] = numbered
        kind = str(numbered.WhichOneof("event"))
        if kind not in LASTING:
            self._thin(kind)
        return numbered

    def after(self, number: int) -> list[run_pb2.RunEvent]:
        """What is kept beyond this number, in order."""
        return [event for event in self._kept.values() if event.number > number]

    def lasting(self) -> list[run_pb2.RunEvent]:
        """What outlives the coordinator, in order."""
        return [event for event in self._kept.values() if event.WhichOneof("event") in LASTING]

    def _thin(self, kind: str) -> None:
        numbers = self._passing.setdefault(kind, deque())
        numbers.append(self._last)
        if len(numbers) > self._most:
            del self._kept[numbers.popleft()]
