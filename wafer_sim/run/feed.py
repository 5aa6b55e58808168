"""The feed of a run: ports, merges and ledger, as one thing that gives a step its batches."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from wafer_sim.ingest.merge import Merge
from wafer_sim.ingest.port import Arrays, Arrived, StreamPort
from wafer_sim.ledger import Ledger, StreamPosition, Taken
from wafer_sim.run.board import Board
from wire.codec import spec_from_bytes
from wire.v1 import run_pb2

PATIENCE_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class StepInput:
    """One batch per replica, and how long the step waited for them in seconds."""

    batches: tuple[Arrays, ...]
    taken: tuple[Taken, ...]
    wait: float

    @property
    def rows(self) -> int:
        return sum(taken.rows for taken in self.taken)


class Feed:
    """Batches for steps, strictly by cursor; acks and ledger move when a step is committed."""

    def __init__(
        self,
        plan: run_pb2.DataPlan,
        dtypes: Sequence[str],
        positions: Mapping[int, StreamPosition],
        timeout: float,
        board: Board,
    ) -> None:
        spec = spec_from_bytes(plan.element_spec)
        self._board = board
        self.ledger = Ledger(positions.values())
        self.ports = {stream: StreamPort(p.cursor, spec, dtypes) for stream, p in positions.items()}
        self._merges = [
            self._merge(range(replica, plan.streams, plan.replicas), positions, timeout)
            for replica in range(plan.replicas)
        ]
        self._late = False

    def take(self) -> StepInput | None:
        """The next step's batches; None when the streams have ended. Raises Unreachable, SeamClosed."""
        start = time.perf_counter()
        arrived = [merge.next() for merge in self._merges]
        wait = time.perf_counter() - start
        if self._late:
            self._late = False
            self._board.phase("running")
        present = [batch for batch in arrived if batch is not None]
        if len(present) < len(arrived):
            return None
        return StepInput(tuple(b.arrays for b in present), tuple(_taken(b) for b in present), wait)

    def commit(self, step: StepInput) -> None:
        """The step is part of the weights: its batches are acked and never wanted again."""
        self.ledger.commit(step.taken)
        for taken in step.taken:
            self.ports[taken.cursor.stream].ack(taken.following)

    def close(self) -> None:
        for port in self.ports.values():
            port.close()

    def _merge(self, streams: range, positions: Mapping[int, StreamPosition], timeout: float) -> Merge:
        taken = sum(positions[stream].batches for stream in streams)
        return Merge([self.ports[stream] for stream in streams], taken, timeout, self._waiting)

    def _waiting(self, port: StreamPort, seconds: float) -> None:
        if seconds >= PATIENCE_SECONDS:
            self._late = True
            host = f"worker {port.host} hosts it" if port.host else "no worker hosts it"
            self._board.phase(f"waiting for stream {port.stream}; {host}")


def _taken(arrived: Arrived) -> Taken:
    return Taken(arrived.cursor, arrived.following, arrived.rows)
