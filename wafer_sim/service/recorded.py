"""The state machine and its journal, which never know different things."""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable, Sequence
from typing import Protocol

from wafer_sim.coordinator import events as ev
from wafer_sim.coordinator import instructions as do
from wafer_sim.coordinator.machine import Coordinator
from wafer_sim.coordinator.state import Limits
from wire.errors import Exhausted
from wire.v1 import journal_pb2

_log = logging.getLogger("wafer_sim")
_ASKED = (ev.RunSubmitted, ev.CancelAsked, ev.ElectAsked, ev.Resigned)
"""What people and chiefs ask for; it can be refused. The other events tell what has happened already."""


class Records(Protocol):
    """Where the facts are written down that outlive a coordinator; see service/journal.py."""

    def begin(self) -> tuple[int, list[journal_pb2.Record]]: ...
    def append(self, records: Sequence[journal_pb2.Record]) -> None: ...


class Recorded:
    """The machine that goes on where the coordinator before this one was. Not thread-safe.

    What an event changes is in the journal before anybody gets to see its instructions. Where the journal takes no
    more, what was asked for is refused with Exhausted and nothing has changed; what has happened cannot be refused,
    so this is then `broken` and handles nothing any more: `on_broken` is called, and the next coordinator goes on
    from what was written.
    """

    def __init__(self, records: Records, limits: Limits, now: float, on_broken: Callable[[], None]) -> None:
        self._records = records
        self._on_broken = on_broken
        self.broken: Exhausted | None = None
        term, past = records.begin()
        self.machine, self._begun = Coordinator.restored(past, limits, term, now)

    def begin(self) -> list[do.Instruction]:
        """What is to be done first. Raises Exhausted."""
        self._write(self._begun)
        return self._begun

    def handle(self, event: ev.Event) -> list[do.Instruction]:
        """Raises the machine's Faults, and Exhausted where the journal takes no more."""
        if self.broken is not None:
            raise self.broken
        before = copy.deepcopy(self.machine) if self._may_be_refused(event) else None
        instructions = self.machine.handle(event)
        try:
            self._write(instructions)
        except Exhausted as fault:
            if before is None:
                raise self._break(fault) from fault
            self.machine = before
            raise
        return instructions

    def _may_be_refused(self, event: ev.Event) -> bool:
        if isinstance(event, ev.ElectAsked):
            return self.machine.has_effect(event)  # a chief asks every few seconds, and so does who stands by
        return isinstance(event, _ASKED)

    def _write(self, instructions: Sequence[do.Instruction]) -> None:
        """All records of one event at once: they are on the disk, or none is."""
        records = [instruction.record for instruction in instructions if isinstance(instruction, do.Record)]
        if records:
            self._records.append(records)

    def _break(self, fault: Exhausted) -> Exhausted:
        self.broken = broken = Exhausted(
            f"the coordinator ended: {fault.what}",
            where=fault.where,
            fix="make room there and start `wafer_sim serve` again: what it was doing goes on",
        )
        _log.error("%s", broken)
        self._on_broken()
        return broken
