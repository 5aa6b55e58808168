"""Who listens: workers, followers of runs, wafer processes. Not thread-safe; the hub's lock guards it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from wafer_sim.coordinator import instructions as do
from wafer_sim.service.outbox import Outbox
from wire.errors import Exhausted, Fault, Refused
from wire.v1 import coordinator_pb2, run_pb2

MAX_FOLLOWERS = 64
_EVENTS_AHEAD = 1024


@dataclass(slots=True)
class Listeners:
    """workers: by worker_id; watched: those whose box somebody listens to. followers, wafers: by run_id."""

    workers: dict[str, Outbox[coordinator_pb2.Assignment]] = field(default_factory=dict)
    watched: set[str] = field(default_factory=set)
    followers: dict[str, list[Outbox[run_pb2.RunEvent]]] = field(default_factory=dict)
    wafers: dict[str, Outbox[run_pb2.WaferOrder]] = field(default_factory=dict)

    def watch(self, worker_id: str) -> Outbox[coordinator_pb2.Assignment]:
        """The worker's box, for one listener. Raises Refused for a second one."""
        if worker_id in self.watched:
            raise Refused("this worker has a watch already", where=worker_id, fix="register again")
        self.watched.add(worker_id)
        return self.workers[worker_id]

    def follow(self, run_id: str, past: Iterable[run_pb2.RunEvent], ended: bool) -> Outbox[run_pb2.RunEvent]:
        """A box with what has happened, closed if that is all. Raises Exhausted for a follower too many."""
        if sum(map(len, self.followers.values())) >= MAX_FOLLOWERS:
            raise Exhausted(f"{MAX_FOLLOWERS} clients follow runs; that is the most this coordinator takes")
        box: Outbox[run_pb2.RunEvent] = Outbox(_EVENTS_AHEAD, lambda event: event.HasField("progress"))
        for event in past:
            box.put(event)
        if ended:
            box.close()
        else:
            self.followers.setdefault(run_id, []).append(box)
        return box

    def unfollow(self, run_id: str, box: Outbox[run_pb2.RunEvent]) -> None:
        """The follower is gone."""
        box.close()
        left = [other for other in self.followers.pop(run_id, []) if other is not box]
        if left:
            self.followers[run_id] = left

    def restore_wafer(self, run_id: str, previous: Outbox[run_pb2.WaferOrder] | None) -> None:
        """The one that attached was refused: the one before it, if any, stays."""
        del self.wafers[run_id]
        if previous is not None:
            self.wafers[run_id] = previous

    def end_wafer(self, run_id: str) -> None:
        """The wafer process is gone."""
        box = self.wafers.pop(run_id, None)
        if box is not None:
            box.close()

    def close(self, fault: Fault) -> None:
        """Everybody hears what there is for it, and then this."""
        boxes: list[Outbox[coordinator_pb2.Assignment] | Outbox[run_pb2.RunEvent] | Outbox[run_pb2.WaferOrder]]
        boxes = [*self.workers.values(), *self.wafers.values(), *(b for bs in self.followers.values() for b in bs)]
        for box in boxes:
            box.close(fault)

    def carry_out(self, instruction: do.Instruction) -> None:
        """Do what concerns a listener; the rest is the hub's."""
        match instruction:
            case do.Tell(worker_id, assignment):
                self.workers[worker_id].put(assignment)
            case do.Dismiss(worker_id, why):
                self.watched.discard(worker_id)
                self.workers.pop(worker_id).close(Refused(f"given up: {why}", fix="register again"))
            case do.Publish(run_id, event):
                self._publish(run_id, event)
            case do.OrderStart(run_id, spec):
                self._order(run_id, run_pb2.WaferOrder(start=spec))
            case do.StopWafer(run_id):
                self._order(run_id, run_pb2.WaferOrder(stop=True))
            case do.OrderFail(run_id, problem):
                self._order(run_id, run_pb2.WaferOrder(fail=problem))
            case do.ForwardSeams(run_id, report):
                self._order(run_id, run_pb2.WaferOrder(seams=report))
            case _:
                pass

    def _publish(self, run_id: str, event: run_pb2.RunEvent) -> None:
        for box in self.followers.get(run_id, ()):
            box.put(event)
        if event.WhichOneof("event") in ("finished", "failed"):
            for box in self.followers.pop(run_id, ()):
                box.close()

    def _order(self, run_id: str, order: run_pb2.WaferOrder) -> None:
        # A wafer process whose line ended hears nothing; its exit is on the way.
        if run_id in self.wafers:
            self.wafers[run_id].put(order)
