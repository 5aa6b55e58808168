"""The merge: a replica takes the batches of its streams strictly in turn."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from wafer_sim.ingest.port import Arrived, StreamPort
from wire.errors import Unreachable

Waiting = Callable[[StreamPort, float], None]
"""Called about once a second while a stream is late: the port and the seconds waited so far."""


class Merge:
    """The streams of one replica, in turn. A stream that has ended is passed over; when all have, so has the merge.

    taken: batches taken before, in a run that is resumed: it says whose turn it is.
    """

    def __init__(
        self, ports: Sequence[StreamPort], taken: int, timeout: float, waiting: Waiting = lambda port, seconds: None
    ) -> None:
        self._ports = list(ports)
        self._turn = taken % len(ports)
        self._timeout = timeout
        self._waiting = waiting
        self.wait_seconds = 0.0

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
        start = time.perf_counter()
        try:
            while True:
                try:
                    return port.take(timeout=min(1.0, self._timeout))
                except TimeoutError:
                    self._late(port, time.perf_counter() - start)
        finally:
            self.wait_seconds += time.perf_counter() - start

    def _late(self, port: StreamPort, seconds: float) -> None:
        self._waiting(port, seconds)
        if seconds >= self._timeout:
            host = f"worker {port.host}" if port.host else "no worker"
            raise Unreachable(
                f"stream {port.stream} gave no batch for {seconds:.0f} s; {host} hosts it",
                fix="start workers with `streamer worker`, see `wafer_sim status`, or raise runconfig.input_timeout",
            )
