"""How busy the processors of this machine are, whoever uses them."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterable, Set
from dataclasses import dataclass
from pathlib import Path

from wire.cores import Cores
from wire.v1 import run_pb2

log = logging.getLogger(__name__)

STAT = Path("/proc/stat")
_CHILDREN = "/proc/{}/task"
_OF_A_PROCESS = slice(11, 15)
"""Fields of /proc/PID/stat after the name: its own user and system time, and those of its children that have ended."""
_TICKS = 8
"""Columns of /proc/stat that share out a processor's time: user, nice, system, idle, iowait, irq, softirq, steal."""
_IDLE = slice(3, 5)


@dataclass(frozen=True, slots=True)
class Load:
    """Shares (0 .. 1) of the time that the cores of a machine were busy, and busy with the run."""

    busy: float = 0.0
    ours: float = 0.0


IDLE = Load()


class CoreMeter:
    """Counts from when it was made, on the processors that this process might use then.

    Where the operating system does not tell, only the time of this process itself is counted.
    """

    def __init__(self, stat: Path = STAT, clock: Callable[[], float] = time.monotonic) -> None:
        from wire.shared_memory import machine  # it loads numpy, which whoever only reads what meters said does without

        self._stat, self._clock = stat, clock
        self._cores = Cores.here().all
        self._machine = machine()
        self._since, self._before, self._own = clock(), self._busy(), process_seconds()

    def reading(self) -> run_pb2.Cores:
        """Since it was made."""
        return run_pb2.Cores(
            machine=self._machine,
            cores=len(self._cores),
            busy_seconds=max(0.0, self._busy() - self._before),
            seconds=self._clock() - self._since,
            own_seconds=max(0.0, process_seconds() - self._own),
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


def process_seconds() -> float:
    """Processor time of this process and of all that it started, as far as the operating system tells."""
    ended = os.times()
    return time.process_time() + ended.children_user + ended.children_system + _of_children("self")


def _of_children(process: str) -> float:
    found = 0.0
    try:
        for task in Path(_CHILDREN.format(process)).iterdir():
            for child in (task / "children").read_text().split():
                fields = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()
                found += sum(map(int, fields[_OF_A_PROCESS])) / os.sysconf("SC_CLK_TCK") + _of_children(child)
    except OSError as error:
        log.debug("a process that was started has ended meanwhile, or is not to be seen: %s", error)
    return found


def busiest(readings: Iterable[run_pb2.Cores]) -> Load:
    """The load of the busiest of these machines; none of none."""
    return max(map(load_of, readings), key=lambda load: load.busy, default=IDLE)


def load_of(cores: run_pb2.Cores) -> Load:
    """The load of one machine; none where no time was measured."""
    all_of_it = cores.cores * cores.seconds
    if all_of_it <= 0:
        return IDLE
    busy = min(1.0, cores.busy_seconds / all_of_it)
    return Load(busy, min(busy, cores.own_seconds / all_of_it))


def since(now: run_pb2.Cores, before: run_pb2.Cores) -> run_pb2.Cores:
    """The part of a reading that came after another one of the same meter."""
    return run_pb2.Cores(
        machine=now.machine,
        cores=now.cores,
        busy_seconds=now.busy_seconds - before.busy_seconds,
        seconds=now.seconds - before.seconds,
        own_seconds=now.own_seconds - before.own_seconds,
    )


def _names(cores: Set[int]) -> set[str]:
    return set(map(str, cores))
