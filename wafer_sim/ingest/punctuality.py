"""Punctuality: which stream keeps a step waiting for longer than its like, who is told, and what it cost."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from wafer_sim.ingest.arrived import Arrived
from wafer_sim.ingest.patience import FIRST_SECONDS, Patience
from wafer_sim.ingest.port import StreamPort

Tell = Callable[[StreamPort, float], None]


@dataclass
class _Wait:
    """A wait that goes on. seconds: under the host of now. told: the seconds at which it was last said to be late."""

    seconds: float = 0.0
    total: float = 0.0
    told: float | None = None
    was_late: bool = False


class Punctuality:
    """Watches the waits for the streams of a run. One step waits at a time.

    A stream is late when a wait passes its bound while another one has a batch or another host: a stall of everything
    is not blamed on one stream. It is said again, each time after twice as long, until somebody else hosts the stream.

    most, first: the bounds of Patience. waits: told of each wait now and then, with its seconds so far. late: told
    of a late stream, with the seconds that its host of now has kept a step waiting. late_seconds: what waits for late
    streams took beyond the usual.
    """

    def __init__(
        self, ports: Mapping[int, StreamPort], most: float, waits: Tell, late: Tell, first: float = FIRST_SECONDS
    ) -> None:
        self._ports = ports
        self._waits = waits
        self._late = late
        self._patience = {stream: Patience(most, first) for stream in ports}
        self._wait = _Wait()
        self.late_seconds = 0.0

    def waiting(self, port: StreamPort, seconds: float) -> None:
        """A step has waited so many seconds more for a stream."""
        wait, patience = self._wait, self._patience[port.stream]
        if patience.hosted(port.hosts):
            wait.seconds, wait.told = 0.0, None
        wait.seconds += seconds
        wait.total += seconds
        self._waits(port, wait.total)
        bound = patience.bound if wait.told is None else 2.0 * wait.told
        if wait.seconds >= bound and self._others_go_on(port):
            wait.told, wait.was_late = wait.seconds, True
            self._late(port, wait.seconds)

    def came(self, port: StreamPort, arrived: Arrived, seconds: float) -> None:
        """The wait is over, `seconds` after its last slice was told."""
        wait, patience = self._wait, self._patience[port.stream]
        if wait.was_late:
            self.late_seconds += max(0.0, wait.total + seconds - patience.usual)
        patience.gave(arrived.host, wait.seconds + seconds)
        if wait.total:
            self._wait = _Wait()

    def _others_go_on(self, port: StreamPort) -> bool:
        others = (other for other in self._ports.values() if other is not port and not other.ended)
        return any(other.ready or other.host not in ("", port.host) for other in others)
