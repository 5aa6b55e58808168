"""The world: one clock, one queue of what is due, one source of chance; and the faults of a schedule."""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from streamer.plan import StreamPlan
from streamer.positions import positions_at
from tests.faults.simulation.check import Check, Violation
from tests.faults.simulation.chief import Chief
from tests.faults.simulation.coordinator import JOB, CoordinatorProcess
from tests.faults.simulation.disk import Checkpoint, Disk
from tests.faults.simulation.mutation import Mutation
from tests.faults.simulation.network import End, Process
from tests.faults.simulation.reference import ledger_of, reference
from tests.faults.simulation.schedule import Fault, Schedule
from tests.faults.simulation.wafer import Wafer
from tests.faults.simulation.worker import Worker
from wafer_sim.coordinator.state import Limits
from wire.codec import cursor_message
from wire.v1 import journal_pb2, run_pb2

CALM_SECONDS = 60.0
"""Simulated seconds in which a run must end once nothing goes wrong any more."""
MOST_EVENTS = 20_000
_ADDRESSES = 3


class World:
    """Runs a schedule. say: collects the trace where one is wanted."""

    def __init__(self, schedule: Schedule, mutation: Mutation | None = None, traced: bool = False) -> None:
        self.schedule = schedule
        self.mutation = mutation or Mutation()
        self.rng = random.Random(schedule.seed ^ 0x5EED)
        self.now = 1000.0
        self.events = 0
        self.duplicating = False
        self.trace: list[str] | None = [] if traced else None
        # A schedule may kill more wafer processes in a row than a run survives.
        self.limits = Limits(deaths=99, chief_seconds=5.0, attach_seconds=20.0, late_seconds=2.0)
        self.expected = reference(
            schedule.streams, schedule.replicas, schedule.steps, schedule.epoch_steps, schedule.skip
        )
        self.check = Check(self.expected, schedule.before, schedule.before > 0)
        earlier = replace(self.expected.plan, streams=schedule.before_streams if schedule.before else schedule.streams)
        weights, ledger = self.expected.weights[schedule.before], ledger_of(earlier, schedule.before)
        self.disk = Disk(Checkpoint(schedule.before, weights, ledger), schedule.keep)
        self.journal: list[bytes] = []
        self.wafers: list[Wafer] = []
        self.coordinator: CoordinatorProcess | None = None
        self._due: list[tuple[float, int, Process | None, Callable[..., None], tuple[Any, ...]]] = []
        self._order = self._terms = self._born = 0
        self._faults = list(schedule.faults)
        self._calm_since = self.now
        self._finished = ""
        self._serve()
        self.workers = [Worker(self, self._name("worker")) for _ in range(schedule.workers)]
        self.chiefs = [Chief(self, self._name("chief")) for _ in range(schedule.chiefs)]

    # Time and chance

    def at(self, time: float, process: Process | None, do: Callable[..., None], args: tuple[Any, ...]) -> None:
        """Do this at a time, if the process lives then."""
        self._order += 1
        heapq.heappush(self._due, (time, self._order, process, do, args))

    def latency(self) -> float:
        """Seconds that a message takes."""
        if self._faults and self.rng.random() < self.schedule.wild:
            return self.rng.choice((0.1, 0.5, 2.0))
        return 0.001 + 0.02 * self.rng.random()

    def run(self) -> None:
        """To the end. Raises Violation."""
        while not self._finished:
            time, _, process, do, args = heapq.heappop(self._due)
            if process is not None and not process.alive:
                continue
            self.now = max(self.now, time)
            if process is not None and process.frozen:
                process.miss(do, args)
                continue
            self.events += 1
            while self._faults and self._faults[0].at <= self.events:
                self._inflict(self._faults.pop(0))
                self._calm_since = self.now
            if process is None or process.alive:
                do(*args)
            for wafer in self.wafers:
                wafer.audit()
            self._require_progress()
        final = self.disk.read()
        self.check.finished(self.schedule.steps, final.step, final.weights, final.ledger)

    def _require_progress(self) -> None:
        if self.events > MOST_EVENTS or (not self._faults and self.now - self._calm_since > CALM_SECONDS):
            raise Violation(f"no end: {self.events} events, {self.now - self._calm_since:.0f} s without a fault")

    def finish(self, run_id: str) -> None:
        """A chief has heard that its run has finished."""
        self._finished = run_id

    def say(self, process: Process, text: str) -> None:
        if self.trace is not None:
            self.trace.append(f"{self.events:6} {self.now - 1000.0:9.3f}  {process.name:20} {text}")

    # What there is

    def spec(self) -> run_pb2.RunSpec:
        """The run as a chief submits it now: starts are of a checkpoint, which is named."""
        spec = _spec(self.schedule, self.expected.plan)
        before = self.schedule.before
        if before and self.disk.read().step == before:
            spec.checkpoint = f"checkpoint_{before}"
            for at in positions_at(self.expected.plan, before):
                spec.starts.add(cursor=cursor_message(at.cursor), samples=at.samples, batches=at.batches)
        return spec

    def write(self, record: journal_pb2.Record) -> None:
        """To the journal, for good."""
        self.journal.append(record.SerializeToString())

    def address(self) -> str:
        """Where a new wafer process listens: a port that is free may have been another's."""
        used = {wafer.address for wafer in self.wafers}
        return self.rng.choice([a for a in (f"wafer:{n}" for n in range(_ADDRESSES + len(used))) if a not in used])

    @property
    def ingests(self) -> dict[str, Wafer]:
        """Address -> who listens there."""
        return {wafer.address: wafer for wafer in self.wafers}

    def _name(self, kind: str) -> str:
        self._born += 1
        return f"{kind}:{self._born}"

    def _serve(self) -> None:
        self._terms += 1
        self.coordinator = None
        self.coordinator = CoordinatorProcess(self, self.mutation.term(self._terms))

    # What goes wrong

    def _inflict(self, fault: Fault) -> None:
        match fault.kind:
            case "worker":
                self._crash_worker(fault.pick)
            case "chief":
                self._crash_chief(fault.pick)
            case "wafer":
                if self.wafers:
                    self.wafers[fault.pick % len(self.wafers)].crash()
            case "coordinator" | "inside":
                self._crash_coordinator(fault)
            case "break" | "half":
                self._break(fault)
            case "freeze":
                self._freeze(self.workers, fault.pick)
            case "pause":
                self._freeze([*self.wafers, *self.chiefs, *filter(None, [self.coordinator])], fault.pick)
            case "twice":
                self.duplicating = True
            case "resend":
                for host in [host for worker in self.workers for host in worker.hosts.values()]:
                    host.resend()

    def _freeze(self, processes: Sequence[Process], pick: int) -> None:
        awake = [process for process in processes if process.alive and not process.frozen]
        if awake:
            awake[pick % len(awake)].freeze(self.rng.choice((0.3, 1.5, 4.0, 9.0)))

    def _crash_worker(self, pick: int) -> None:
        """The last one is always started again; others may stay away."""
        if not self.workers:
            return
        worker = self.workers.pop(pick % len(self.workers))
        worker.crash()
        if not self.workers or self.rng.random() < 0.7:
            self.at(self.now + self.rng.uniform(0.05, 3.0), None, self._start_worker, ())

    def _start_worker(self) -> None:
        self.workers.append(Worker(self, self._name("worker")))

    def _crash_chief(self, pick: int) -> None:
        chief = self.chiefs.pop(pick % len(self.chiefs))
        chief.crash()
        self.chiefs.append(Chief(self, self._name("chief")))

    def _crash_coordinator(self, fault: Fault) -> None:
        coordinator = self.coordinator
        if coordinator is None or not coordinator.alive:
            return
        if fault.kind == "inside":
            self.say(coordinator, f"will crash after {fault.pick % 6} instructions")
            coordinator.doomed = fault.pick % 6
        else:
            coordinator.crash()

    def restart_coordinator(self) -> None:
        """A supervisor starts the next one."""
        self.coordinator = None
        self.at(self.now + self.rng.uniform(0.1, 2.0), None, self._serve, ())

    def _break(self, fault: Fault) -> None:
        processes: list[Process | None] = [*self.workers, *self.chiefs, *self.wafers, self.coordinator]
        ends: list[End] = [end for process in processes if process is not None for end in process.ends]
        if ends:
            end = ends[fault.pick % len(ends)]
            self.say(end.process, f"loses its connection to {end.peer.process.name}")
            end.break_off(fault.kind == "half")


def _spec(schedule: Schedule, plan: StreamPlan) -> run_pb2.RunSpec:
    data = run_pb2.DataPlan(
        streams=schedule.streams, replicas=schedule.replicas, batch_size=schedule.replicas, recipe="{}", rows=plan.rows
    )
    first, last = schedule.skip
    return run_pb2.RunSpec(
        mode=run_pb2.MODE_TRAIN,
        fabric=run_pb2.FABRIC_COMPUTE,
        model_dir=JOB,
        data=data,
        max_steps=schedule.steps,
        checkpoint_steps=schedule.checkpoint_steps,
        keep_checkpoint_max=schedule.keep,
        skip=[run_pb2.Skip(first=first, last=last)] if 0 < first <= last else [],
    )
