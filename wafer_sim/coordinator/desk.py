"""Where the coordinator's words are collected, numbered and looked up."""

from __future__ import annotations

from wafer_sim.coordinator import instructions as do
from wafer_sim.coordinator import records
from wafer_sim.coordinator.history import History
from wafer_sim.coordinator.state import Limits, RunState, State, WorkerState
from wire.errors import NotFound, Refused
from wire.v1 import journal_pb2, run_pb2

RunEvent = run_pb2.RunEvent
_TERM_BITS = 32


class Desk:
    """The state, the limits, and the instructions given so far. Every number given is above those of earlier terms."""

    def __init__(self, limits: Limits, term: int) -> None:
        self.state = State()
        self.limits = limits
        self.out: list[do.Instruction] = []
        self._base = term << _TERM_BITS
        self._number = self._base

    def number(self) -> int:
        """A fencing number, above all before: of a worker, a wafer process or a lease."""
        self._number += 1
        return self._number

    def history(self, past: list[RunEvent] | None = None) -> History:
        """The history of a run; past: its events of earlier terms."""
        return History(self.limits.events_kept, self._base, past or ())

    def record(self, record: journal_pb2.Record) -> None:
        self.out.append(do.Record(record))

    def publish(self, run: RunState, event: RunEvent) -> None:
        numbered = run.history.add(event)
        if records.lasts(numbered):
            self.record(records.said(run.run_id, numbered))
        self.out.append(do.Publish(run.run_id, numbered))

    def say_phase(self, run: RunState, phase: str) -> None:
        run.phase = phase
        self.publish(run, RunEvent(phase=phase))

    def note(self, text: str) -> None:
        self.out.append(do.Note(text))

    def worker(self, worker_id: str, incarnation: int) -> WorkerState:
        worker = self.state.workers.get(worker_id)
        if worker is None or worker.incarnation != incarnation:
            raise Refused("this worker was given up, or never registered", where=worker_id, fix="register again")
        return worker

    def run(self, run_id: str) -> RunState:
        run = self.state.runs.get(run_id)
        if run is None:
            raise NotFound(f"there is no run {run_id!r} here", fix="`wafer_sim status` lists the runs")
        return run

    def of_wafer(self, run_id: str, incarnation: int) -> RunState:
        run = self.run(run_id)
        if run_id != self.state.active or incarnation != run.incarnation:
            raise Refused(f"this is not the wafer process of {run_id} (incarnation {incarnation} is stale)")
        return run
