"""Processes that can crash, freeze and wake, and the connections between them: in order each, and nothing more."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from wire.errors import Fault, Unreachable

if TYPE_CHECKING:
    from tests.faults.simulation.world import World

GONE = Unreachable("the connection broke off")
_ALL = 1 << 62


class Process:
    """Whatever has a life of its own. What is due while it is frozen happens, in order, when it wakes."""

    def __init__(self, world: World, name: str) -> None:
        self.world = world
        self.name = name
        self.alive = True
        self.frozen = False
        self.ends: dict[End, None] = {}
        self._missed: list[tuple[Callable[..., None], tuple[Any, ...]]] = []

    def after(self, seconds: float, do: Callable[..., None], *args: Any) -> None:
        """Do this later, if this process still lives then."""
        self.world.at(self.world.now + seconds, self, do, args)

    def accept(self, end: End, hello: Any) -> None:
        """Somebody has connected, and says this first."""
        raise NotImplementedError

    def crash(self) -> None:
        """Gone, in the middle of whatever it does; of what it sent last a part may still arrive."""
        if not self.alive:
            return
        self.world.say(self, "CRASHED")
        self.alive = False
        for end in list(self.ends):
            end.cut()
        self.ends.clear()

    def freeze(self, seconds: float) -> None:
        self.world.say(self, f"frozen for {seconds:.1f} s")
        self.frozen = True
        self.world.at(self.world.now + seconds, None, self._wake, ())

    def miss(self, do: Callable[..., None], args: tuple[Any, ...]) -> None:
        self._missed.append((do, args))

    def _wake(self) -> None:
        if not self.alive:
            return
        self.world.say(self, "awake")
        self.frozen = False
        missed, self._missed = self._missed, []
        for do, args in missed:
            self.world.at(self.world.now, self, do, args)


class End:
    """One end of a connection. Set `on_message` and `on_close`; the latter gets the fault, or None for a good end."""

    __slots__ = ("_arrived", "_last", "_limit", "_sent", "on_close", "on_message", "open", "peer", "process")

    peer: End

    def __init__(self, process: Process) -> None:
        self.process = process
        self.on_message: Callable[[Any], None] = _ignore
        self.on_close: Callable[[Fault | None], None] = _ignore
        self.open = True
        self._last = 0.0
        self._sent = 0
        self._arrived = 0
        self._limit = _ALL
        process.ends[self] = None

    def send(self, message: Any) -> None:
        """It arrives later, after what was sent before; or never, if the connection breaks. Nothing once closed."""
        if not self.open:
            return
        self._sent += 1
        self.process.world.at(self._arrival(), self.peer.process, self.peer._deliver, (self._sent, message))

    def close(self, fault: Fault | None = None) -> None:
        """The peer hears what was sent, and then this end."""
        if self.open:
            self._shut()
            self.process.world.at(self._arrival(), self.peer.process, self.peer._closed, (fault,))

    def break_off(self, late: bool) -> None:
        """The connection breaks: both ends lose what was on its way, and learn of it, one of them perhaps late."""
        world = self.process.world
        for end, delay in ((self, 0.0), (self.peer, world.rng.uniform(1.0, 6.0) if late else 0.0)):
            end._lose()
            world.at(world.now + world.latency() + delay, end.process, end._closed, (GONE,))

    def cut(self) -> None:
        """The process of this end is gone."""
        self._lose()
        self._shut()
        self.process.world.at(self._arrival(), self.peer.process, self.peer._closed, (GONE,))

    def _lose(self) -> None:
        self._limit = min(self._limit, self.process.world.rng.randint(self.peer._arrived, self._sent))

    def _arrival(self) -> float:
        world = self.process.world
        self._last = max(self._last, world.now + world.latency())
        return self._last

    def _deliver(self, number: int, message: Any) -> None:
        if self.open and number <= self.peer._limit:
            self._arrived = number
            self.on_message(message)

    def _closed(self, fault: Fault | None) -> None:
        if self.open:
            self._shut()
            self.on_close(fault)

    def _shut(self) -> None:
        self.open = False
        self.process.ends.pop(self, None)


def connect(client: Process, server: Process | None, hello: Any) -> End:
    """A connection that begins with `hello`. Where nobody listens, or it breaks, `on_close` hears it."""
    near = End(client)
    if server is None or not server.alive:
        near.peer = near
        client.after(client.world.latency(), near._closed, GONE)
        return near
    far = near.peer = End(server)
    far.peer = near
    far.on_message = lambda message: server.accept(far, message)
    near.send(hello)
    return near


def ask(
    client: Process,
    server: Process | None,
    request: Any,
    replied: Callable[[Any], None],
    failed: Callable[[Fault | None], None],
    patience: float,
) -> End:
    """A call with one answer. A fault of the schedule may have it arrive twice, as a retry does."""
    world = client.world
    call = connect(client, server, request)
    if world.duplicating:
        world.duplicating = False
        world.say(client, f"asks twice: {request}")
        connect(client, server, request)

    def answered(reply: Any) -> None:
        call.close()
        replied(reply)

    call.on_message, call.on_close = answered, failed

    def give_up() -> None:
        if call.open:
            call.close()
            failed(Unreachable("no answer in time"))

    client.after(patience, give_up)
    return call


def _ignore(_: Any) -> None:
    """Nobody listens here (yet)."""
