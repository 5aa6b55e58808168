"""A worker's process: a model of streamer's worker, reporting, reconciling, hosting and transport."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamer.credits import Credits
from tests.faults.simulation.messages import FRAME_BYTES, Beat, Failure, Frames, Hello, Register, Watch
from tests.faults.simulation.network import End, Process, ask, connect
from tests.faults.simulation.reference import frame_of, joined
from wafer_sim.coordinator import instructions as do
from wire.codec import cursor_from
from wire.cursor import Cursor
from wire.errors import Fault, Refused, StaleLease, Stopped, Unreachable
from wire.status import problem_of
from wire.v1 import coordinator_pb2, ingest_pb2

if TYPE_CHECKING:
    from tests.faults.simulation.world import World

_RETRY_SECONDS = 0.5
_PATIENCE_SECONDS = 5.0
_MOST_FRAMES = 3


class Worker(Process):
    """Registers, watches, hosts what it is told; registers again when given up or when the coordinator is gone."""

    def __init__(self, world: World, name: str) -> None:
        super().__init__(world, name)
        self.hosts: dict[int, Host] = {}
        self._me: do.Registered | None = None
        self._run = ("", "")
        self._assigned = coordinator_pb2.Assignment()
        self.after(world.latency(), self._register)
        self.after(world.limits.heartbeat_seconds, self._beat)

    def failed(self, host: Host, fault: Fault) -> None:
        """A stream cannot go on: the coordinator is told."""
        if self._me is not None:
            failure = Failure(self._me.worker_id, self._me.incarnation, self._run[0], host.stream, problem_of(fault))
            self._post(failure)

    def _register(self) -> None:
        server = self.world.coordinator
        ask(self, server, Register(self.name), self._registered, lambda _: self._again(), _PATIENCE_SECONDS)

    def _again(self) -> None:
        self.after(_RETRY_SECONDS, self._register)

    def _registered(self, me: do.Registered) -> None:
        self._me = me
        watch = connect(self, self.world.coordinator, Watch(me.worker_id, me.incarnation))
        watch.on_message, watch.on_close = self._told, self._given_up

    def _given_up(self, fault: Fault | None) -> None:
        self.world.say(self, f"without a coordinator: {fault}")
        self._me = None
        self._let_go(list(self.hosts.values()))
        self._run = ("", "")
        if isinstance(fault, Refused):
            self._register()
        else:
            self._again()

    def _beat(self) -> None:
        if self._me is not None:
            self._post(Beat(self._me.worker_id, self._me.incarnation))
        self.after(self.world.limits.heartbeat_seconds, self._beat)

    def _post(self, report: Beat | Failure) -> None:
        server = self.world.coordinator
        if server is not None:
            server.after(self.world.latency(), server.hear, report)

    def _told(self, assignment: coordinator_pb2.Assignment) -> None:
        """As streamer.reconciling does it."""
        run = assignment.run_id, assignment.ingest_address
        if self._run != run:
            self._let_go(list(self.hosts.values()))
            self._run = run
        wanted = {lease.stream: lease.lease for lease in assignment.streams}
        self._let_go([host for host in self.hosts.values() if wanted.get(host.stream) != host.lease])
        for stream, lease in wanted.items():
            if stream not in self.hosts:
                self.hosts[stream] = Host(self, run, stream, lease)

    def _let_go(self, hosts: list[Host]) -> None:
        for host in hosts:
            host.stop()
            del self.hosts[host.stream]


class Host:
    """One stream under one lease. A push that breaks off is begun again; a stale lease ends it."""

    def __init__(self, worker: Worker, run: tuple[str, str], stream: int, lease: int) -> None:
        self.stream = stream
        self.lease = lease
        self._worker = worker
        self._run_id, self._address = run
        self._over = False
        self._push: End | None = None
        self._credits = Credits()
        self._next: Cursor | None = None
        self._making = False
        self._last: Frames | None = None
        self._again = False
        self._begin()

    @property
    def allowed(self) -> int:
        """Batches that may be sent now."""
        credits = self._credits
        return credits._batches if credits._batches > 0 and credits._bytes > 0 else 0

    def stop(self) -> None:
        self._over = True
        if self._push is not None:
            self._push.close(Stopped("the push was stopped"))

    def resend(self) -> None:
        """Send the last frames once more, as soon as there is credit for them."""
        self._again = True

    def _begin(self) -> None:
        if self._over:
            return
        self._credits, self._next, self._last = Credits(), None, None
        worker = self._worker
        self._push = connect(
            worker,
            worker.world.ingests.get(self._address),
            Hello(self._run_id, self.stream, self.lease, worker.name),
        )
        self._push.on_message, self._push.on_close = self._granted, self._ended

    def _ended(self, fault: Fault | None) -> None:
        if self._over or fault is None:
            return
        if isinstance(fault, Unreachable | Stopped):
            self._worker.after(_RETRY_SECONDS, self._begin)
        elif not isinstance(fault, StaleLease):
            self._worker.failed(self, fault)

    def _granted(self, grant: ingest_pb2.Grant) -> None:
        if grant.stop:
            self._over = True
            return
        if grant.HasField("start"):
            self._worker.world.check.entered(grant)
            self._next = cursor_from(grant.start)
        self._credits.grant(grant.batches, grant.bytes)
        self._pump()

    def _pump(self) -> None:
        if not self._making and self._next is not None and self.allowed and not self._over:
            self._making = True
            self._worker.after(self._worker.world.rng.uniform(0.002, 0.03), self._made, self._push)

    def _made(self, push: End) -> None:
        self._making = False
        if push is self._push and push.open and not self._over and self._next is not None and self.allowed:
            self._send(self._message(self._next))
        self._pump()

    def _message(self, cursor: Cursor) -> Frames:
        """The next frames, up to the credit that there is; or the last ones once more."""
        if self._again and self._last is not None and self._last.batches <= self.allowed:
            self._again = False
            return self._last
        plan, frames = self._worker.world.expected.plan, []
        for _ in range(self._worker.world.rng.randint(1, min(_MOST_FRAMES, self.allowed))):
            frames.append(frame_of(plan, cursor))
            cursor = frames[-1].following
        nbytes = FRAME_BYTES * len(frames)
        self._next, self._last = cursor, Frames(tuple(joined(frames, self._worker.world.rng)), nbytes)
        return self._last

    def _send(self, message: Frames) -> None:
        if self._push is not None:
            self._credits.spend(message.batches, message.nbytes)
            self._push.send(message)
