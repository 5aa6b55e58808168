"""A wafer process: the real ports, gates, credits, punctuality and ledger; a model of merge, training and process."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tests.faults.simulation.disk import Checkpoint
from tests.faults.simulation.messages import FRAME_BYTES, Attach, Hello
from tests.faults.simulation.network import End, Process, connect
from tests.faults.simulation.pushing import Pushing
from tests.faults.simulation.reference import DTYPES, ELEMENT, trained
from wafer_sim.ingest.arrived import Arrived
from wafer_sim.ingest.credits import CreditWindow
from wafer_sim.ingest.port import Push, StreamPort
from wafer_sim.ingest.punctuality import Punctuality
from wafer_sim.ledger import Ledger, StreamPosition
from wafer_sim.run.skips import Skips
from wire.codec import cursor_from
from wire.errors import Fault, NotFound, Unreachable
from wire.status import fault_of, problem_of
from wire.v1 import run_pb2

if TYPE_CHECKING:
    from tests.faults.simulation.coordinator import CoordinatorProcess
    from tests.faults.simulation.world import World

_SLICE_SECONDS = 0.25
_LOCK_SECONDS = 15.0


class Wafer(Process):
    """One wafer process: attaches, trains, saves, leaves. parent: the coordinator that started it."""

    def __init__(self, world: World, parent: CoordinatorProcess, run_id: str, incarnation: int) -> None:
        super().__init__(world, f"wafer.{incarnation & 0xFFFFFFFF}.{incarnation >> 32}")
        self.run_id = run_id
        self.incarnation = incarnation
        self.address = world.address()
        self.step = 0
        self.ports: dict[int, StreamPort] = {}
        self._parent = parent
        self._line: End | None = None
        self._spec: run_pb2.RunSpec | None = None
        self._state: Checkpoint | None = None
        self._saved_step = 0
        self._pushes: dict[Push, Pushing] = {}
        self._arrived: list[Arrived] = []
        self._turns: list[int] = []
        self._busy = self._stopping = self._watching = False
        self._verdict: Fault | None = None
        world.wafers.append(self)
        self.after(world.rng.uniform(0.05, 0.3), self._attach)

    # Its process

    def crash(self) -> None:
        if self.alive:
            super().crash()
            self._gone(-9)

    def kill(self) -> None:
        """SIGKILL."""
        self.crash()

    def stop(self) -> None:
        """SIGTERM, an order, or the end of the line: leave after the step in hand, with a checkpoint."""
        if self._stopping:
            return
        self.world.say(self, "stopping")
        self._stopping = True
        if self._state is None:
            self._exit(0)
            return
        self._close_ports()
        if not self._busy:
            self._end()

    def orphaned(self) -> None:
        """Its standard input has ended: the coordinator is gone."""
        self.stop()

    def _exit(self, code: int) -> None:
        if self.alive:
            if self._line is not None:
                self._line.close()
            self.alive = False
            for end in list(self.ends):
                end.close(Unreachable("the wafer process has left"))
            self._gone(code)

    def _gone(self, code: int) -> None:
        self.world.say(self, f"exit {code}")
        self.world.wafers.remove(self)
        self.world.disk.unlock(self)
        self._parent.after(self.world.latency(), self._parent.reap, self, code)

    # Its line to the coordinator

    def _attach(self) -> None:
        self._line = connect(self, self._parent, Attach(self.run_id, self.incarnation, self.address))
        self._line.on_message, self._line.on_close = self._ordered, lambda _: self.stop()

    def _ordered(self, order: Any) -> None:
        match order:
            case run_pb2.RunSpec():
                self._spec = order
                self._lock(0.0)
            case run_pb2.Problem():
                self._verdict = fault_of(order)
                self.stop()
            case _:
                self.stop()

    def _tell(self, **event: Any) -> None:
        if self._line is not None:
            self._line.send(run_pb2.RunEvent(**event))

    def _failed(self, fault: Fault) -> None:
        self._tell(failed=problem_of(self._verdict or fault))
        self._exit(0)

    # Its run

    def _lock(self, waited: float) -> None:
        """Two wafer processes never write one model_dir."""
        if self.world.disk.lock(self):
            self._load()
        elif waited >= _LOCK_SECONDS:
            self._failed(Unreachable("another wafer process holds the model_dir"))
        else:
            self.after(0.2, self._lock, waited + 0.2)

    def _load(self) -> None:
        assert self._spec is not None
        try:
            state = self._starting_point(self._spec)
        except NotFound as fault:
            self._failed(fault)
            return
        self.world.say(self, f"starts at step {state.step}")
        self.world.check.resumed(state.step, state.weights, state.ledger)
        self._state, self.step, self._saved_step = state, state.step, state.step
        positions = state.ledger.positions
        self.ports = {stream: StreamPort(p, ELEMENT, DTYPES) for stream, p in positions.items()}
        for port in self.ports.values():
            window = self.world.schedule.window
            port._window = CreditWindow(window, window * FRAME_BYTES)
        self.world.mutation.ports(self.ports)
        plan = self._spec.data
        self._turns = [
            sum(positions[stream].batches for stream in range(replica, plan.streams, plan.replicas))
            for replica in range(plan.replicas)
        ]
        self._inputs = sum(self._turns) // plan.replicas
        self._skips = Skips((skip.first, skip.last) for skip in self._spec.skip)
        self._watch = Punctuality(self.ports, 300.0, lambda port, seconds: None, self._late)
        self._advance()

    def _starting_point(self, spec: run_pb2.RunSpec) -> Checkpoint:
        """The run's own newest checkpoint, else where its spec says that it begins."""
        own = self.world.disk.own(self.run_id) if self.world.mutation.knows_its_own else None
        if own is not None:
            return own
        state = self.world.disk.read(spec.checkpoint)
        starts = [StreamPosition(cursor_from(s.cursor), s.samples, s.batches) for s in spec.starts]
        return replace(state, ledger=Ledger(starts, state.ledger.accounts)) if starts else state

    def _late(self, port: StreamPort, seconds: float) -> None:
        self.world.say(self, f"stream {port.stream} of {port.host} is late")
        self._tell(late=run_pb2.Late(stream=port.stream, worker=port.host, seconds=seconds))

    def _due(self) -> StreamPort:
        """The port whose batch is taken next: replicas in order, the streams of each in turn."""
        assert self._spec is not None
        replica, plan = len(self._arrived), self._spec.data
        streams = range(replica, plan.streams, plan.replicas)
        return self.ports[streams[self._turns[replica] % len(streams)]]

    def _advance(self) -> None:
        """Take what is there; with a batch for each replica a step begins."""
        if self._busy or self._stopping or self._state is None or self._spec is None:
            return
        if self.step >= self._spec.max_steps:
            self._end()
            return
        while len(self._arrived) < self._spec.data.replicas:
            port = self._due()
            if not port.ready:
                self._wait()
                return
            arrived = port.take(0.0)
            self._watch.came(port, arrived, 0.0)
            self._turns[len(self._arrived)] += 1
            self._arrived.append(arrived)
            self.world.mutation.taken(port, arrived)
            self._flush(port)
        self._busy = True
        self.after(self.world.rng.uniform(0.005, 0.03), self._commit)

    def _wait(self) -> None:
        if not self._watching:
            self._watching = True
            self.after(_SLICE_SECONDS, self._waited, self.step, len(self._arrived))

    def _waited(self, step: int, arrived: int) -> None:
        self._watching = False
        if (step, arrived) == (self.step, len(self._arrived)) and not self._busy and not self._stopping:
            self._watch.waiting(self._due(), _SLICE_SECONDS)
        self._advance()

    def _commit(self) -> None:
        """The update is made: the ledger moves, and then the batches are acked."""
        assert self._spec is not None and self._state is not None
        batches, self._arrived = self._arrived, []
        taken = [batch.taken for batch in batches]
        skipped = self._skips.around(self._inputs + 1) is not None
        if not skipped:
            self.step += 1
            self._state = self._state.after(
                trained(self._state.weights, (int(self.ports[b.cursor.stream].land(b)[0][0]) for b in batches))
            )
        self.world.check.commits(self._state.ledger, taken, skipped)
        self.world.check.committed(self._inputs, taken, self._state.weights)
        self._inputs += 1
        for batch in taken:
            self.ports[batch.cursor.stream].ack(batch.following)
        self.world.say(self, f"passed over input step {self._inputs}" if skipped else f"committed step {self.step}")
        self._tell(progress=run_pb2.Progress(step=self.step, max_steps=self._spec.max_steps))
        if self.step % self._spec.checkpoint_steps == 0 and self.step < self._spec.max_steps:
            self.after(self.world.rng.uniform(0.005, 0.05), self._save, self._go_on)
        else:
            self._go_on()

    def _go_on(self) -> None:
        self._busy = False
        if self._stopping:
            self._end()
        else:
            self._advance()

    def _save(self, then: Any) -> None:
        """The checkpoint is on the disk, and then it is said."""
        assert self._state is not None
        if self._saved_step == self.step:
            then()
            return
        self._saved_step = self.step
        path = self.world.disk.write(self, self._state, self.run_id)
        self.after(self.world.rng.uniform(0.001, 0.02), self._say_saved, path, then)

    def _say_saved(self, path: str, then: Any) -> None:
        self._tell(saved=run_pb2.Saved(step=self.step, path=path))
        then()

    def _end(self) -> None:
        self._busy = True
        self._close_ports()
        if self._verdict is not None:
            self._failed(self._verdict)
        else:
            self.after(self.world.rng.uniform(0.005, 0.05), self._save, self._finish)

    def _finish(self) -> None:
        assert self._spec is not None
        progress = run_pb2.Progress(step=self.step, max_steps=self._spec.max_steps)
        self._tell(finished=run_pb2.Finished(progress=progress, stopped=self.step < self._spec.max_steps))
        self._exit(0)

    # Its ingest, as wafer_sim/ingest/servicer.py

    def accept(self, end: End, hello: Hello) -> None:
        port = self.ports.get(hello.stream)
        if port is None or self._stopping:
            end.close(Unreachable("nobody takes pushes here yet"))
            return
        if hello.run_id != self.run_id:
            end.close(NotFound(f"run {hello.run_id} is not fed here"))
            return
        newest = port._gate.lease
        try:
            push = port.enter(hello.lease, hello.worker)
        except Fault as fault:
            end.close(fault)
            return
        self.world.check.let_in(hello.lease, newest)
        self.world.say(self, f"stream {hello.stream}: {hello.worker} pushes with lease {hello.lease & 0xFFFFFFFF}")
        self._pushes[push] = Pushing(self, push, end)
        self._flush(port)

    def pushed(self, port: StreamPort) -> None:
        """Something came into a port, or left it."""
        self._flush(port)
        self._advance()

    def _flush(self, port: StreamPort) -> None:
        for push, pushing in list(self._pushes.items()):
            if push.port is port and not pushing.flush():
                del self._pushes[push]

    def _close_ports(self) -> None:
        for port in self.ports.values():
            port.close()
            self._flush(port)

    def audit(self) -> None:
        """What is acked is in the ledger."""
        if self._state is not None:
            self.world.check.acked((port._acked for port in self.ports.values()), self._state.ledger)
