"""What is wrong on purpose, to see that the simulation notices. The mutation of an honest world changes nothing."""

from __future__ import annotations

from collections.abc import Mapping

from wafer_sim.coordinator import instructions as do
from wafer_sim.ingest.arrived import Arrived
from wafer_sim.ingest.gate import Gate, Verdict
from wafer_sim.ingest.port import StreamPort
from wire.codec import Frame
from wire.cursor import Cursor
from wire.v1 import coordinator_pb2


class Mutation:
    """Every place where a mutant differs from the product.

    knows_its_own: a wafer process goes on from its run's own newest checkpoint, whoever was told of it.
    """

    knows_its_own = True

    def instruction(self, instruction: do.Instruction) -> do.Instruction:
        """What the machine wants done."""
        return instruction

    def ports(self, ports: Mapping[int, StreamPort]) -> None:
        """The ports of a wafer process that begins."""

    def taken(self, port: StreamPort, arrived: Arrived) -> None:
        """A replica has taken a batch; its step is not yet committed."""

    def term(self, term: int) -> int:
        """The term of a coordinator that begins."""
        return term


class _LeakyGate(Gate):
    def judge(self, lease: int, frame: Frame) -> Verdict:
        super().judge(lease, frame)
        return Verdict.TAKE


class LetsDuplicatesIn(Mutation):
    """The gate takes what it has taken before."""

    def ports(self, ports: Mapping[int, StreamPort]) -> None:
        for port in ports.values():
            port._gate = _LeakyGate(port._gate.expected, port._gate.history, port._gate.loader_state)


class ForgetsItsOwn(Mutation):
    """A wafer process starts where its spec says, also when its run has saved since, and nobody heard of it."""

    knows_its_own = False


class AcksBeforeCommit(Mutation):
    """A batch is acked when a replica has taken it."""

    def taken(self, port: StreamPort, arrived: Arrived) -> None:
        port.ack(arrived.taken.following)


class ForgetsTheTerm(Mutation):
    """A restarted coordinator numbers as the first one did."""

    def term(self, term: int) -> int:
        return 1


class GivesOldLeases(Mutation):
    """A stream that moves keeps the lease that it had first."""

    def __init__(self) -> None:
        self._first: dict[tuple[str, int], int] = {}

    def instruction(self, instruction: do.Instruction) -> do.Instruction:
        if not isinstance(instruction, do.Tell):
            return instruction
        changed = coordinator_pb2.Assignment()
        changed.CopyFrom(instruction.assignment)
        for held in changed.streams:
            held.lease = self._first.setdefault((changed.run_id, held.stream), held.lease)
        return do.Tell(instruction.worker_id, changed)


class NoFence(Mutation):
    """Whoever pushes is let in, whatever its lease."""

    def ports(self, ports: Mapping[int, StreamPort]) -> None:
        for port in ports.values():
            port.__class__ = _OpenPort
            port._gate = _OpenGate(port._gate.expected, port._gate.history, port._gate.loader_state)


class _OpenGate(Gate):
    def enter(self, lease: int) -> Cursor:
        self.lease = lease
        return self.expected

    def require(self, lease: int) -> None:
        """Anybody may."""

    def judge(self, lease: int, frame: Frame) -> Verdict:
        return super().judge(self.lease, frame)


class _OpenPort(StreamPort):
    def _require_credit(self, push: object, frame: Frame) -> None:
        """Anybody may."""
