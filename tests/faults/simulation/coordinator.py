"""The coordinator's process: the real machine in a model of its shell (wafer_sim/service/hub.py, listeners.py)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.faults.simulation.check import Violation
from tests.faults.simulation.messages import Attach, Beat, Elect, Failure, Follow, Register, Submit, Watch
from tests.faults.simulation.network import End, Process
from tests.faults.simulation.wafer import Wafer
from wafer_sim.coordinator import events as ev
from wafer_sim.coordinator import instructions as do
from wafer_sim.coordinator.machine import Coordinator
from wire.errors import Fault, Refused
from wire.v1 import coordinator_pb2, journal_pb2, run_pb2

if TYPE_CHECKING:
    from tests.faults.simulation.world import World

_TICK_SECONDS = 0.2
_LAST_WORDS_SECONDS = 2.0
JOB = "/model"


@dataclass(slots=True)
class _Box:
    """What a worker is told: kept until it watches, the newest only."""

    watch: End | None = None
    kept: coordinator_pb2.Assignment | None = None


class CoordinatorProcess(Process):
    """One life of the coordinator. doomed: its next event with instructions is its last; how far it gets with it."""

    def __init__(self, world: World, term: int) -> None:
        super().__init__(world, f"coordinator.{term}")
        self.doomed: int | None = None
        self._term = term
        self._boxes: dict[str, _Box] = {}
        self._followers: dict[str, list[End]] = {}
        self._orders: dict[str, End] = {}
        self._children: dict[str, Wafer] = {}
        self._named = 0
        written = [journal_pb2.Record.FromString(record) for record in world.journal]
        self.machine, begun = Coordinator.restored(written, world.limits, term, world.now)
        self._obey(begun)
        self._tick()

    def crash(self) -> None:
        if self.alive:
            super().crash()
            for child in self._children.values():
                child.after(self.world.latency(), child.orphaned)
            self.world.restart_coordinator()

    def hear(self, report: Beat | Failure) -> None:
        """What a worker reports; it asks for no answer."""
        now = self.world.now
        try:
            match report:
                case Beat(worker_id, incarnation):
                    self._feed(ev.WorkerBeat(now, worker_id, incarnation, ()))
                case Failure(worker_id, incarnation, run_id, stream, problem):
                    self._feed(ev.FailureReported(now, worker_id, incarnation, run_id, stream, problem))
        except Fault as fault:
            self.world.say(self, f"refuses {report}: {fault}")

    def accept(self, end: End, hello: Any) -> None:
        try:
            self._answer(end, hello)
        except Fault as fault:
            end.close(fault)

    def _answer(self, end: End, hello: Any) -> None:
        now = self.world.now
        match hello:
            case Register(name):
                self._register(end, name)
            case Watch(worker_id, incarnation):
                self._watch(end, worker_id, incarnation)
            case Elect(session):
                _reply(end, _one(self._feed(ev.ElectAsked(now, JOB, session)), do.Elected).chief)
            case Submit(spec):
                event = ev.RunSubmitted(now, self._name("run"), spec)
                _reply(end, _one(self._feed(event), do.Submitted).run_id)
            case Follow():
                self._follow(end, hello)
            case Attach():
                self._attach(end, hello)
            case _:
                raise Violation(f"nobody says {hello!r} to a coordinator")

    def _register(self, end: End, name: str) -> None:
        worker_id = self._name("worker")
        self._boxes[worker_id] = _Box()
        try:
            out = self._feed(ev.WorkerRegistered(self.world.now, worker_id, name))
        except Fault:
            del self._boxes[worker_id]
            raise
        _reply(end, _one(out, do.Registered))

    def _watch(self, end: End, worker_id: str, incarnation: int) -> None:
        self._feed(ev.WorkerBeat(self.world.now, worker_id, incarnation))
        box = self._boxes[worker_id]
        if box.watch is not None:
            raise Refused("this worker has a watch already")
        box.watch = end
        end.on_close = lambda _: self._happened(ev.WorkerLost(self.world.now, worker_id, incarnation))
        if box.kept is not None:
            end.send(box.kept)

    def _follow(self, end: End, hello: Follow) -> None:
        past, ended = self.machine.history(hello.run_id, hello.after)
        for event in past:
            end.send(event)
        if ended:
            end.close()
            return
        self._followers.setdefault(hello.run_id, []).append(end)
        end.on_close = lambda _: self._unfollow(end, hello)
        if self._leads(hello):
            self._happened(ev.ChiefFollows(self.world.now, hello.session))

    def _unfollow(self, end: End, hello: Follow) -> None:
        if end in self._followers.get(hello.run_id, ()):
            self._followers[hello.run_id].remove(end)
        if self._leads(hello):
            self._happened(ev.ChiefLost(self.world.now, hello.session))

    def _leads(self, hello: Follow) -> bool:
        run = self.machine.state.runs.get(hello.run_id)
        return run is not None and not run.ended and run.spec.session == hello.session

    def _attach(self, end: End, hello: Attach) -> None:
        previous = self._orders.get(hello.run_id)
        self._orders[hello.run_id] = end
        try:
            self._feed(ev.WaferAttached(self.world.now, hello.run_id, hello.incarnation, hello.address))
        except Fault:
            del self._orders[hello.run_id]
            if previous is not None:
                self._orders[hello.run_id] = previous
            raise
        end.on_message = lambda event: self._said(end, hello, event)
        end.on_close = lambda _: self._happened(ev.WaferDetached(self.world.now, hello.run_id, hello.incarnation))

    def _said(self, end: End, hello: Attach, event: run_pb2.RunEvent) -> None:
        try:
            self._feed(ev.WaferSaid(self.world.now, hello.run_id, hello.incarnation, event))
        except Fault as fault:
            self._happened(ev.WaferDetached(self.world.now, hello.run_id, hello.incarnation))
            end.close(fault)

    def reap(self, wafer: Wafer, code: int, waited: float = 0.0) -> None:
        """A wafer process has exited. Its last words may still be on their way."""
        line = self._orders.get(wafer.run_id)
        if line is not None and line.open and waited < _LAST_WORDS_SECONDS:
            self.after(0.2, self.reap, wafer, code, waited + 0.2)
            return
        line = self._orders.pop(wafer.run_id, None)
        if line is not None:
            line.close()
        self._happened(ev.WaferDied(self.world.now, wafer.run_id, wafer.incarnation, code))

    def _tick(self) -> None:
        self._happened(ev.Tick(self.world.now))
        self.after(_TICK_SECONDS, self._tick)

    def _happened(self, event: ev.Event) -> None:
        try:
            self._feed(event)
        except Fault as fault:
            raise Violation(f"the machine refuses what has happened: {event}: {fault}") from fault

    def _feed(self, event: ev.Event) -> list[do.Instruction]:
        out = self.machine.handle(event)
        if out:
            self._obey(out)
        return out

    def _obey(self, out: Sequence[do.Instruction]) -> None:
        """What is to be written is written first; then the rest, in order."""
        if self.doomed == 0:
            self.crash()
            return
        for instruction in out:
            if isinstance(instruction, do.Record):
                self.world.write(instruction.record)
        for number, instruction in enumerate(out, start=1):
            if self.doomed is not None and number > self.doomed:
                break
            self._carry_out(instruction)
        if self.doomed is not None:
            self.crash()

    def _carry_out(self, instruction: do.Instruction) -> None:
        instruction = self.world.mutation.instruction(instruction)
        match instruction:
            case do.Note(text):
                self.world.say(self, text)
            case do.Tell(worker_id, assignment):
                self.world.check.told(worker_id, assignment)
                self._tell(self._boxes[worker_id], assignment)
            case do.Dismiss(worker_id, why):
                watch = self._boxes.pop(worker_id).watch
                if watch is not None:
                    watch.close(Refused(f"given up: {why}", fix="register again"))
            case do.Publish(run_id, event):
                self._publish(run_id, event)
            case do.StartWafer(run_id, incarnation):
                self.world.check.started(run_id, incarnation)
                self._children[run_id] = Wafer(self.world, self, run_id, incarnation)
            case do.OrderStart(run_id, spec):
                self._orders[run_id].send(spec)
            case do.StopWafer(run_id):
                self._order(run_id, "stop")
            case do.OrderFail(run_id, problem):
                self._order(run_id, problem)
            case do.TerminateWafer(run_id):
                child = self._children[run_id]
                child.after(0.0, child.stop)
            case do.KillWafer(run_id):
                self._children[run_id].kill()

    def _order(self, run_id: str, order: Any) -> None:
        if run_id in self._orders:
            self._orders[run_id].send(order)

    def _tell(self, box: _Box, assignment: coordinator_pb2.Assignment) -> None:
        box.kept = assignment
        if box.watch is not None:
            box.watch.send(assignment)

    def _publish(self, run_id: str, event: run_pb2.RunEvent) -> None:
        ends = event.WhichOneof("event") in ("finished", "failed")
        for end in self._followers.pop(run_id, []) if ends else self._followers.get(run_id, []):
            end.send(event)
            if ends:
                end.close()

    def _name(self, kind: str) -> str:
        self._named += 1
        return f"{kind}-{self._term}.{self._named}"


def _reply(end: End, reply: Any) -> None:
    end.send(reply)
    end.close()


def _one(out: Sequence[do.Instruction], kind: Callable[..., Any]) -> Any:
    return next(instruction for instruction in out if type(instruction) is kind)
