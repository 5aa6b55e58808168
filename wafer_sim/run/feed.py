"""The feed of a run: ports, merges and ledger, as one thing that gives a step its batches."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple

from wafer_sim.accounts import totals
from wafer_sim.ingest.arrived import Arrays, Arrived
from wafer_sim.ingest.merge import Merge
from wafer_sim.ingest.patience import FIRST_SECONDS
from wafer_sim.ingest.port import StreamPort
from wafer_sim.ingest.punctuality import Punctuality
from wafer_sim.ledger import Ledger, Taken
from wafer_sim.run.board import Board
from wafer_sim.run.tolerance import Tolerance
from wire.readings import by_name, seam_message
from wire.schema import spec_from_bytes
from wire.v1 import run_pb2

PATIENCE_SECONDS = 2.0
AHEAD_STEPS, READY_STEPS, AHEAD_BYTES = 4, 16, 1 << 21
"""How many steps' batches land ahead in a thread, or without one, while they came in fewer bytes: they should be in a
cache when they are used."""


Landed = tuple[tuple[Arrays, ...], tuple[Taken, ...]] | None
"""The batches of a step, one per replica, and what the ledger will know of them; None after the last one."""


class StepInput(NamedTuple):
    """One batch per replica, and how long the step waited for them in seconds.

    came: until they had come, where they were not landed ahead. late: of the wait, for late streams.
    """

    batches: tuple[Arrays, ...]
    taken: tuple[Taken, ...]
    wait: float
    came: float = 0.0
    late: float = 0.0

    @property
    def rows(self) -> int:
        return sum(taken.rows for taken in self.taken)


class Feed:
    """Batches for steps, strictly by cursor; acks and ledger move when a step is committed.

    ledger: where the run starts. timeout: seconds that a step may wait for one batch. input_steps: how many steps of
    the input are committed, since step 0.
    """

    def __init__(
        self, plan: run_pb2.DataPlan, dtypes: Sequence[str], ledger: Ledger, timeout: float, board: Board
    ) -> None:
        spec = spec_from_bytes(plan.element_spec)
        tolerant = plan.HasField("bad_samples")
        positions = ledger.positions
        self._board = board
        self.ledger = ledger
        self.input_steps = sum(position.batches for position in positions.values()) // plan.replicas
        self.ports = {stream: StreamPort(p, spec, dtypes, tolerant=tolerant) for stream, p in positions.items()}
        first = FIRST_SECONDS if plan.rows else timeout
        self._watch = Punctuality(self.ports, timeout, self._waiting, self._is_late, first)
        self._merges = [
            Merge([self.ports[s] for s in streams], sum(positions[s].batches for s in streams), timeout, self._watch)
            for streams in (range(replica, plan.streams, plan.replicas) for replica in range(plan.replicas))
        ]
        self._tolerance = _tolerance(plan, ledger)
        self._told = False
        self._landing: ThreadPoolExecutor | None = None
        self._ahead: deque[tuple[Future[Landed], int]] = deque()
        self._ready: deque[tuple[Landed, int]] = deque()

    def land_ahead(self) -> None:
        """From now on the batches of the next steps that are there land in a thread while a step is worked on.

        It costs the waking of a thread: a step that does nothing but take its time had better `land_next` itself.
        """
        self._landing = ThreadPoolExecutor(1, "landing")
        self._landing.submit(int).result()  # the thread is there when processors are set aside for the input

    def land_next(self) -> bool:
        """Land the batches of one more step, for the thread that takes steps; whether there were any, and room."""
        if len(self._ready) >= READY_STEPS or sum(size for _, size in self._ready) >= AHEAD_BYTES:
            return False
        if not all(merge.has_next() for merge in self._merges):
            return False
        arrived = self._arrived()
        self._ready.append((self._landed(arrived), _bytes_of(arrived)))
        return True

    def take(self) -> StepInput | None:
        """The next step's batches; None when the streams have ended. Raises Unreachable, SeamClosed."""
        start, late = time.perf_counter(), self._watch.late_seconds
        arrived = None if self._ready or self._ahead else self._arrived()
        came = time.perf_counter() - start
        landed = self._landed_ahead() if arrived is None else self._landed(arrived)
        wait = time.perf_counter() - start
        if self._told:
            self._told = False
            self._board.phase("running")
        if landed is None:
            return None
        if self._landing is not None:
            self._look_ahead(self._landing)
        return StepInput(*landed, wait, came, min(wait, self._watch.late_seconds - late))

    def commit(self, step: StepInput, made: int, *, skipped: bool = False) -> None:
        """The step is part of the weights, or passed over: its batches are acked and never wanted again.

        made: weight updates made so far. Raises InvalidInput where more samples are bad than are tolerated.
        """
        self.ledger.commit(step.taken, skipped=skipped)
        self.input_steps += 1
        for taken in step.taken:
            self.ports[taken.cursor.stream].ack(taken.following)
            if taken.bad:
                self._board.passed(made, taken)
        if not skipped:
            self._tolerance.count(step.taken)

    def seams(self) -> list[run_pb2.Seam]:
        """What the wafer's own seams measured, those of one name as one."""
        messages = (seam_message(port.seam.reading()) for port in self.ports.values())
        return [seam_message(reading) for reading in by_name(messages).values()]

    def close(self) -> None:
        """Nothing more is let in; who waits in `take` hears of it. From any thread."""
        for port in self.ports.values():
            port.close()

    def leave(self) -> None:
        """No step is taken any more. For the thread that took them."""
        if self._landing is not None:
            self._landing.shutdown()

    def _landed_ahead(self) -> Landed:
        return self._ready.popleft()[0] if self._ready else self._ahead.popleft()[0].result()

    def _look_ahead(self, landing: ThreadPoolExecutor) -> None:
        """Have what is there landed, for a few steps; of large batches for one."""
        while len(self._ahead) < AHEAD_STEPS and all(merge.has_next() for merge in self._merges):
            if self._ahead and sum(size for _, size in self._ahead) >= AHEAD_BYTES:
                return
            arrived = self._arrived()
            self._ahead.append((landing.submit(self._landed, arrived), _bytes_of(arrived)))

    def _arrived(self) -> list[Arrived | None]:
        """The next batch of each replica; None where its streams have ended."""
        return [merge.next() for merge in self._merges]

    def _landed(self, arrived: Sequence[Arrived | None]) -> Landed:
        present = [batch for batch in arrived if batch is not None]
        if len(present) < len(arrived):
            return None
        return tuple(self.ports[b.cursor.stream].land(b) for b in present), tuple(b.taken for b in present)

    def _waiting(self, port: StreamPort, seconds: float) -> None:
        if seconds >= PATIENCE_SECONDS:
            self._told = True
            host = f"worker {port.host} hosts it" if port.host else "no worker hosts it"
            self._board.phase(f"waiting for stream {port.stream}; {host}")

    def _is_late(self, port: StreamPort, seconds: float) -> None:
        self._board.late(port.stream, port.host, seconds)


def _bytes_of(arrived: Sequence[Arrived | None]) -> int:
    return sum(batch.wire_bytes for batch in arrived if batch is not None)


def _tolerance(plan: run_pb2.DataPlan, ledger: Ledger) -> Tolerance:
    """Its counters go on where the accounts stand; what was bad in a row before a resume they do not tell."""
    bounds, before = plan.bad_samples, totals(ledger.accounts.epochs)
    return Tolerance(bounds.in_a_row, bounds.fraction, ledger.samples - before.skipped, before.bad)
