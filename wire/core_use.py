"""How busy the processors of this machine are, whoever uses them."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterable, Set
from pathlib import Path

from wire.cores import Cores
from wire.v1 import run_pb2

log = logging.getLogger(__name__)

STAT = Path("/proc/stat")
_TICKS = 8
"""Columns of /proc/stat that share out a processor's time: user, nice, system, idle, iowait, irq, softirq, steal."""
_IDLE = slice(3, 5)


class CoreMeter:
    """Counts from when it was made, on the processors that this process might use then.

    Where the operating system does not tell, only the time of this process itself is counted.
    """

    def __init__(self, stat: Path = STAT, clock: Callable[[], float] = time.monotonic) -> None:
        from wire.shared_memory import machine  # it loads numpy, which whoever only reads what meters said does without

        self._stat, self._clock = stat, clock
        self._cores = Cores.here().all
        self._machine = machine()
        self._since, self._before = clock(), self._busy()

    def reading(self) -> run_pb2.Cores:
        """Since it was made."""
        return run_pb2.Cores(
            machine=self._machine,
            cores=len(self._cores),
            busy_seconds=max(0.0, self._busy() - self._before),
            seconds=self._clock() - self._since,
        )

    def _busy(self) -> float:
        known = busy_of(self._stat, self._cores)
        return time.process_time() if known is None else known


def busy_of(stat: Path, cores: Set[int]) -> float | None:
    """Seconds that these processors were busy since the machine started; None where that is not to be known."""
    try:
        lines = stat.read_text().splitlines()
    except OSError as error:
        log.debug("how busy the processors are is not to be known: %s", error)
        return None
    columns = [line.split() for line in lines if line.startswith("cpu")]
    ticks = [[int(number) for number in numbers[:_TICKS]] for name, *numbers in columns if name[3:] in _names(cores)]
    if not any(map(any, ticks)):
        return None
    return sum(sum(of) - sum(of[_IDLE]) for of in ticks) / os.sysconf("SC_CLK_TCK")


def busiest(readings: Iterable[run_pb2.Cores]) -> float:
    """The share of the time (0 .. 1) that the cores of the busiest of these machines were busy; 0.0 of none."""
    shares = (each.busy_seconds / (each.cores * each.seconds) for each in readings if each.cores and each.seconds > 0)
    return min(1.0, max(shares, default=0.0))


def since(now: run_pb2.Cores, before: run_pb2.Cores) -> run_pb2.Cores:
    """The part of a reading that came after another one of the same meter."""
    return run_pb2.Cores(
        machine=now.machine,
        cores=now.cores,
        busy_seconds=now.busy_seconds - before.busy_seconds,
        seconds=now.seconds - before.seconds,
    )


def _names(cores: Set[int]) -> set[str]:
    return set(map(str, cores))
