"""One push at a wafer process, as wafer_sim/ingest/servicer.py serves it, with a watch on its credit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.faults.simulation.messages import Frames
from tests.faults.simulation.network import End
from wafer_sim.ingest.port import Push
from wire.errors import Fault
from wire.seam import SeamClosed
from wire.v1 import ingest_pb2

if TYPE_CHECKING:
    from tests.faults.simulation.wafer import Wafer


class Pushing:
    """One push: its connection, its reader, and the credit that its worker has left."""

    def __init__(self, wafer: Wafer, push: Push, end: End) -> None:
        self._wafer, self._push, self._end = wafer, push, end
        self._outstanding = 0
        self._fault: Fault | None = None
        end.on_message, end.on_close = self._arrive, self._left

    def _arrive(self, message: Frames) -> None:
        port, push = self._push.port, self._push
        newest, before = port._push is push, (port._gate.expected, port._window._held)
        self._outstanding -= message.batches
        try:
            push.arrive(message.frames, message.nbytes)
        except SeamClosed:
            push.grants.close()
        except Fault as fault:
            self._fault = fault
            push.grants.close()
        self._wafer.world.check.fenced(newest, before == (port._gate.expected, port._window._held), self._fault)
        self._wafer.pushed(port)

    def _left(self, _: Fault | None) -> None:
        self._push.port.leave(self._push)
        self._wafer.pushed(self._push.port)

    def flush(self) -> bool:
        """Send the grants that wait; whether the push goes on."""
        check, port = self._wafer.world.check, self._push.port
        grants = self._push.grants
        while grants._items:
            grant = grants.get(0.0)
            self._outstanding += grant.batches
            self._end.send(grant)
        if not grants._closed:
            if port._push is self._push:
                check.credits(port, self._outstanding)
            return True
        if self._fault is None:
            self._end.send(ingest_pb2.Grant(stop=True))
        # What the worker has sent meanwhile may still be read before the call is over.
        self._wafer.after(self._wafer.world.latency(), self._hang_up)
        return False

    def _hang_up(self) -> None:
        self._end.close(self._fault)
        self._push.port.leave(self._push)
