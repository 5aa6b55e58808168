"""How busy the processors of the machines of a run are, over the time that is measured."""

from __future__ import annotations

import threading

from wire.core_use import CoreMeter, since
from wire.v1 import run_pb2


class Machines:
    """The wafer's own machine, and those of which workers report; a machine of several workers counts once, with
    the time that all of them took.

    All methods may be called from any thread.
    """

    def __init__(self, own: CoreMeter) -> None:
        self._own = own
        self._lock = threading.Lock()
        self._own_before = own.reading()
        self._first: dict[str, run_pb2.Cores] = {}
        self._latest: dict[str, run_pb2.Cores] = {}

    def begin(self) -> None:
        """What is measured begins now."""
        with self._lock:
            self._own_before = self._own.reading()
            self._first = dict(self._latest)

    def hear(self, worker: str, cores: run_pb2.Cores) -> None:
        """A worker's latest reading."""
        with self._lock:
            self._first.setdefault(worker, cores)
            self._latest[worker] = cores

    def readings(self) -> list[run_pb2.Cores]:
        """One for each machine, the wafer's own first."""
        with self._lock:
            own = since(self._own.reading(), self._own_before)
            found = {own.machine: own}
            for worker, cores in self._latest.items():
                later = since(cores, self._first[worker])
                known = found.setdefault(cores.machine, later)
                if known is not later:
                    known.own_seconds += later.own_seconds
            return list(found.values())
