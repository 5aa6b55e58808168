"""What must always hold. Told of everything that matters; raises Violation for what must never happen."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from tests.faults.simulation.reference import Reference, history_before, newest_state, state_after
from wafer_sim.ingest.port import StreamPort
from wafer_sim.ledger import Ledger, Taken
from wire.codec import cursor_from
from wire.cursor import Cursor
from wire.errors import Fault
from wire.v1 import coordinator_pb2, ingest_pb2, run_pb2


class Violation(AssertionError):  # noqa: N818 - said of a promise, not of a mistake
    """A promise was broken."""


def require(holds: bool, what: str) -> None:
    if not holds:
        raise Violation(what)


@dataclass
class Check:
    """leases: (run, stream) -> the newest lease and its holder. incarnations: the newest wafer process of each run.

    begun: the step that the run goes on from; cut_anew: with other streams. steps: those that were committed.
    """

    expected: Reference
    begun: int = 0
    cut_anew: bool = False
    leases: dict[tuple[str, int], tuple[int, str]] = field(default_factory=dict)
    incarnations: dict[str, int] = field(default_factory=dict)
    steps: set[int] = field(default_factory=set)

    # The coordinator

    def told(self, worker_id: str, assignment: coordinator_pb2.Assignment) -> None:
        """A stream has one holder, whoever gave the lease, and leases rise with holders."""
        for held in assignment.streams:
            newest, holder = self.leases.get((assignment.run_id, held.stream), (0, ""))
            same = (held.lease, worker_id) == (newest, holder)
            require(
                same or held.lease > newest,
                f"{worker_id} is given lease {held.lease} of stream {held.stream}; {holder} has lease {newest}",
            )
            self.leases[assignment.run_id, held.stream] = held.lease, worker_id

    def started(self, run_id: str, incarnation: int) -> None:
        """Incarnations of wafer processes rise."""
        before = self.incarnations.get(run_id, 0)
        require(incarnation > before, f"wafer process {incarnation} of {run_id} after {before}")
        self.incarnations[run_id] = incarnation

    def heard(self, before: int, event: run_pb2.RunEvent) -> None:
        """A follower hears every event once, in order, whoever numbered it."""
        require(event.number > before, f"event {event.number} was heard after event {before}")
        kind = event.WhichOneof("event")
        require(kind != "failed", f"the run failed: {event.failed.what} ({event.failed.where})")
        require(not event.finished.stopped, "the run was stopped, and nobody asked for it")

    # The wafer

    def resumed(self, step: int, weights: bytes, ledger: Ledger) -> None:
        """A wafer process begins at a checkpoint: weights and cursors are those of the plan at that step."""
        require(weights == self.expected.weights[step], f"the weights of the checkpoint of step {step} are others")
        inputs = sum(position.batches for position in ledger.positions.values()) // self.expected.plan.replicas
        updates = self.expected.updates[inputs]
        require(updates == step, f"a checkpoint of step {step} has the cursors of step {updates}")
        for stream, position in ledger.positions.items():
            due = self.expected.plan.cursor_from(stream, inputs)
            require(position.cursor == due, f"resumed at step {step} with {position.cursor}; {due} is due")

    def committed(self, input_step: int, batches: Iterable[Taken], weights: bytes) -> None:
        """A step of the input (the first is 0) took exactly the plan's batches, in order."""
        cursors = tuple(batch.cursor for batch in batches)
        due = self.expected.takes[input_step]
        require(cursors == due, f"input step {input_step} took {_text(cursors)}; {_text(due)} is due")
        update = self.expected.updates[input_step + 1]
        require(weights == self.expected.weights[update], f"the weights of step {update} are not the undisturbed run's")
        self.steps.add(update)

    def entered(self, grant: ingest_pb2.Grant) -> None:
        """A push is told where to start, what was taken of the epoch before, and the loader's state at or before it."""
        start = cursor_from(grant.start)
        if not self.cut_anew:
            due = history_before(self.expected.plan, start)
            require(grant.history == due, f"the history before {start} is not what was taken")
            if start.sequence:
                at = cursor_from(grant.loader_state.at)
                newest = newest_state(start)
                require(grant.loader_state.state == state_after(newest), f"the state at {start} is not after {newest}")
                require(at == newest.following(), f"the state after {newest} is said to be of {at}")

    def let_in(self, lease: int, newest: int) -> None:
        """Who comes with a lease that is not the newest one known is turned away at the door."""
        require(lease >= newest, f"lease {lease} was let in after lease {newest}")

    def fenced(self, newest: bool, same: bool, fault: Fault | None) -> None:
        """Frames of a push that was replaced change nothing and are refused. same: nothing was let in."""
        require(newest or same, "a frame of a push that was replaced was let in")
        require(newest or fault is not None, "a frame of a push that was replaced was not refused")

    def commits(self, ledger: Ledger, batches: Sequence[Taken], skipped: bool) -> None:
        """The ledger takes what a step used."""
        try:
            ledger.commit(batches, skipped)
        except ValueError as error:
            raise Violation(str(error)) from error

    def acked(self, acks: Iterable[Cursor], ledger: Ledger) -> None:
        """An ack is given for committed batches only."""
        for acked in acks:
            done = ledger.due(acked.stream)
            if acked > done:
                raise Violation(f"batches before {acked} were acked; those before {done} are committed")

    def credits(self, port: StreamPort, outstanding: int) -> None:
        """What lies there and what may still be sent is never more than the window."""
        held, most = port._window._held, port._window.batches
        require(held >= 0 and outstanding >= 0, f"stream {port.stream}: {held} batches held, {outstanding} credits")
        require(held + outstanding <= most, f"stream {port.stream}: {held} + {outstanding} of {most} batches")

    def finished(self, steps: int, step: int, weights: bytes, ledger: Ledger) -> None:
        """The end: every step was committed, and the final checkpoint is the undisturbed run's."""
        require(step == steps, f"the final checkpoint is of step {step} of {steps}")
        require(
            self.steps >= set(range(self.begun + 1, steps + 1)), f"only the steps {sorted(self.steps)} were committed"
        )
        self.resumed(step, weights, ledger)
        accounts = ledger.accounts
        missing = [epoch for epoch in range(accounts.closed_below) if accounts.missing(epoch)]
        twice = [epoch for epoch, account in accounts.epochs.items() if account.twice or account.unnumbered]
        require(not missing and not twice, f"rows are missing in epochs {missing}, or there twice in epochs {twice}")


def _text(cursors: Iterable[Cursor]) -> str:
    return ", ".join(map(str, cursors))
