"""The merge: a replica takes the batches of its streams strictly in turn."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Protocol

from wafer_sim.ingest.arrived import Arrived
from wafer_sim.ingest.port import StreamPort
from wire.errors import Unreachable

SLICE_SECONDS = 0.1
"""A wait wakes by itself so often to see who is late; a batch that comes wakes it at once."""


class Watch(Protocol):
    """Hears how long a step waits for its streams."""

    def waiting(self, port: StreamPort, seconds: float) -> None:
        """It has waited so many seconds more."""

    def came(self, port: StreamPort, arrived: Arrived, seconds: float) -> None:
        """The batch is there, so many seconds later."""


class Merge:
    """The streams of one replica, in turn. A stream that has ended is passed over; when all have, so has the merge.

    taken: batches taken before, in a run that is resumed: it says whose turn it is. timeout: seconds that one batch
    may be waited for; time in which this process itself was held up does not count.
    """

    def __init__(self, ports: Sequence[StreamPort], taken: int, timeout: float, watch: Watch) -> None:
        self._ports = list(ports)
        self._turn = taken % len(ports)
        self._timeout = timeout
        self._watch = watch

    def has_next(self) -> bool:
        """Whether `next` would give a batch without waiting."""
        return bool(self._ports) and self._ports[self._turn].has_batch()

    def next(self) -> Arrived | None:
        """The next batch, None when every stream has ended. Raises Unreachable, naming the stream that is late."""
        while self._ports:
            arrived = self._take(self._ports[self._turn])
            if not arrived.end:
                self._turn = (self._turn + 1) % len(self._ports)
                return arrived
            del self._ports[self._turn]
            self._turn %= max(1, len(self._ports))
        return None

    def _take(self, port: StreamPort) -> Arrived:
        waited = 0.0
        while True:
            begun = time.perf_counter()
            try:
                arrived = port.take(timeout=min(SLICE_SECONDS, self._timeout))
            except TimeoutError:
                more = _counted(begun)
                waited += more
                self._watch.waiting(port, more)
                self._require_time(port, waited)
            else:
                self._watch.came(port, arrived, _counted(begun))
                return arrived

    def _require_time(self, port: StreamPort, waited: float) -> None:
        if waited >= self._timeout:
            host = f"worker {port.host}" if port.host else "no worker"
            raise Unreachable(
                f"stream {port.stream} gave no batch for {waited:.0f} s; {host} hosts it",
                fix="start workers with `streamer worker`, see `wafer_sim status`, or raise runconfig.input_timeout",
            )


def _counted(begun: float) -> float:
    """Seconds since then. A slice that took far longer than it was asked to: this process itself was held up."""
    return min(time.perf_counter() - begun, 2.0 * SLICE_SECONDS)
