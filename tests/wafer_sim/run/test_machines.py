"""The machines of a run, over the time that is measured."""

from __future__ import annotations

from typing import Any, cast

from wafer_sim.run.machines import Machines
from wire.core_use import CoreMeter
from wire.v1 import run_pb2


class Meter:
    """A meter that is set by hand."""

    def __init__(self) -> None:
        self.busy = self.now = self.own = 0.0

    def reading(self) -> run_pb2.Cores:
        return cores("here", self.busy, self.now, self.own)


def cores(machine: str, busy: float, now: float, own: float = 0.0) -> run_pb2.Cores:
    return run_pb2.Cores(machine=machine, cores=2, busy_seconds=busy, seconds=now, own_seconds=own)


def told(machines: Machines) -> list[tuple[Any, ...]]:
    return [(each.machine, each.busy_seconds, each.seconds) for each in machines.readings()]


def test_what_was_before_is_not_measured() -> None:
    """Programming and waiting for the first batch are left out, on every machine."""
    meter = Meter()
    machines = Machines(cast(CoreMeter, meter))
    meter.busy, meter.now = 5.0, 10.0
    machines.hear("a", cores("there", 100.0, 200.0))
    machines.begin()
    meter.busy, meter.now = 6.0, 12.0
    machines.hear("a", cores("there", 103.0, 202.0))
    assert told(machines) == [("here", 1.0, 2.0), ("there", 3.0, 2.0)]


def test_a_machine_of_several_workers_counts_once() -> None:
    """Whoever reports of it, it is the same machine; one that joined later is measured from its first word."""
    machines = Machines(cast(CoreMeter, Meter()))
    machines.begin()
    for worker, machine in (("a", "here"), ("b", "there"), ("c", "there")):
        machines.hear(worker, cores(machine, 1.0, 1.0))
        machines.hear(worker, cores(machine, 3.0, 5.0))
    assert told(machines) == [("here", 0.0, 0.0), ("there", 2.0, 4.0)]


def test_what_the_processes_of_a_run_take_adds_up() -> None:
    """The wafer process and the workers of one machine each report their own part."""
    meter = Meter()
    machines = Machines(cast(CoreMeter, meter))
    machines.begin()
    for worker, own in (("a", 0.5), ("b", 0.25), ("c", 4.0)):
        machine = "there" if worker == "c" else "here"
        machines.hear(worker, cores(machine, 1.0, 1.0, 1.0))
        machines.hear(worker, cores(machine, 3.0, 5.0, 1.0 + own))
    meter.own = 2.0
    assert [each.own_seconds for each in machines.readings()] == [2.75, 4.0]
