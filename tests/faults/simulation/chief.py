"""A chief: a run.py that is elected, submits its run and follows it to the end; or stands by until it is elected."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.faults.simulation.messages import Elect, Follow, Submit
from tests.faults.simulation.network import Process, ask, connect
from wafer_sim.coordinator.adoption import with_session
from wire.errors import Fault, NotFound
from wire.v1 import run_pb2

if TYPE_CHECKING:
    from tests.faults.simulation.world import World

_PAUSE_SECONDS = 0.5
_PATIENCE_SECONDS = 5.0


class Chief(Process):
    """One life of a task of the job. name: its session."""

    def __init__(self, world: World, name: str) -> None:
        super().__init__(world, name)
        self._run_id = ""
        self._heard = 0
        self.after(world.latency(), self._elect)

    def _elect(self) -> None:
        ask(self, self.world.coordinator, Elect(self.name), self._elected, self._refused, _PATIENCE_SECONDS)

    def _elected(self, chief: str) -> None:
        if chief != self.name:
            self.after(_PAUSE_SECONDS, self._elect)
            return
        spec = with_session(self.world.spec(), self.name)
        ask(self, self.world.coordinator, Submit(spec), self._submitted, self._refused, _PATIENCE_SECONDS)

    def _refused(self, fault: Fault | None) -> None:
        self.world.say(self, f"not yet: {fault}")
        self.after(_PAUSE_SECONDS, self._elect)

    def _submitted(self, run_id: str) -> None:
        if run_id != self._run_id:
            self._run_id, self._heard = run_id, 0
        self._follow()

    def _follow(self) -> None:
        call = connect(self, self.world.coordinator, Follow(self._run_id, self._heard, self.name))
        call.on_message, call.on_close = self._hear, self._lost

    def _hear(self, event: run_pb2.RunEvent) -> None:
        self.world.check.heard(self._heard, event)
        self._heard = event.number
        if event.HasField("finished"):
            self.world.finish(self._run_id)

    def _lost(self, fault: Fault | None) -> None:
        self.after(_PAUSE_SECONDS, self._elect if isinstance(fault, NotFound) else self._follow)
