"""How many copies of a model: as many as fit and help, side by side."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

from wafer_sim.fabric.cost import INPUT
from wafer_sim.fabric.machine import Machine
from wafer_sim.fabric.pipeline import estimated, reduced
from wafer_sim.fabric.placement import place, quickest
from wafer_sim.fabric.result import Estimate
from wafer_sim.fabric.sizing import Sizing
from wafer_sim.fabric.work import INFERENCE, TRAINING, Work

_WORTH = 1.01
"""A count with more replicas has to be faster by a hundredth."""
_GROWTH = 1.2
_ARRANGEMENTS = 3


def with_replicas(work: Work, machine: Machine, count: int, shared: int | None = None) -> Estimate | None:
    """The estimate with so many replicas, each with its share of `shared` samples a batch; None: they do not fit."""
    sizing = Sizing(_share(work, count, shared), machine)
    found: list[Estimate] = []
    for across, down in _arrangements(machine, count):
        width, height = machine.width // across, machine.height // down
        if (placed := place(sizing, width, height)) is not None:
            corners = [(i % across * width, i // across * height) for i in range(count)]
            found.append(estimated(sizing, placed, corners))
        if found and count == 1:
            break
    return max(found, key=lambda estimate: estimate.samples_per_second, default=None)


def best(work: Work, machine: Machine, shared: int | None = None) -> Estimate | None:
    """The estimate with as many replicas as fit and help; None where not even one fits."""
    chosen = with_replicas(work, machine, 1, shared)
    if chosen is None or (work.mode == INFERENCE and chosen.compute_samples_per_second >= _link(work, machine)):
        return chosen
    for count in _promising(work, machine, shared, chosen.samples_per_second * _WORTH):
        another = with_replicas(work, machine, count, shared)
        if another is not None and another.samples_per_second > chosen.samples_per_second * _WORTH:
            chosen = another
    return chosen if shared else _fewest(work, machine, chosen)


def _fewest(work: Work, machine: Machine, chosen: Estimate) -> Estimate:
    """Where the link is the limit, as few replicas as still take all that it brings."""
    while chosen.bound == INPUT and chosen.replicas > 1:
        fewer = with_replicas(work, machine, chosen.replicas - 1)
        if fewer is None or fewer.bound != INPUT:
            break
        chosen = fewer
    return chosen


def _promising(work: Work, machine: Machine, shared: int | None, beyond: float) -> list[int]:
    """The counts that are quickest, and the least that is nearly as quick, when shapes are left aside; all above one
    and quicker than `beyond`."""
    rates: dict[int, float] = {}
    for count in _counts(Sizing(work, machine).least(), machine.area, shared):
        rates[count] = min(_roughly(Sizing(_share(work, count, shared), machine), count), _link(work, machine))
    top = max(rates.values(), default=0.0)
    near = next((count for count, rate in rates.items() if rate * _WORTH >= top), 1)
    quickest_one = max(rates, key=lambda count: rates[count], default=1)
    return sorted(count for count in {near, quickest_one} - {1} if rates[count] > beyond)


def _counts(least: int, area: int, shared: int | None) -> Iterator[int]:
    """Counts worth a look: all small ones, then ever larger steps; divisors only of a batch that is shared."""
    count = 1
    while count * least <= area:
        if shared is None or shared % count == 0:
            yield count
        count = count + 1 if shared is not None or count < 1 / (_GROWTH - 1) else int(count * _GROWTH)
        if shared is not None and count > shared:
            return


def _roughly(sizing: Sizing, count: int) -> float:
    """Samples per second of so many replicas, shapes and update left aside; 0: they do not fit."""
    area, size = sizing.machine.area // count, sizing.work.batch_size
    interval = quickest(sizing, area)
    needs = None if interval is None else sizing.needs(interval, area)
    if interval is None or needs is None:
        return 0.0
    fill = sizing.latency(needs) - interval if sizing.work.mode == TRAINING else 0.0
    both = 2 * reduced(sizing, math.sqrt(sum(needs.cores))) if sizing.work.mode == TRAINING and count > 1 else 0.0
    return count * sizing.machine.clock_hertz * size / (size * interval + fill + both)


def _arrangements(machine: Machine, count: int) -> list[tuple[int, int]]:
    """Ways to lay so many boxes on the grid: (across, down), those with the largest, squarest boxes first."""
    ways = {(across, -(-count // across)) for across in range(1, min(count, machine.width) + 1)}

    def box(way: tuple[int, int]) -> tuple[int, int]:
        width, height = machine.width // way[0], machine.height // way[1]
        return min(width, height), width * height

    fitting = [way for way in ways if way[1] <= machine.height]
    return sorted(fitting, key=box, reverse=True)[:_ARRANGEMENTS]


def _share(work: Work, count: int, shared: int | None) -> Work:
    return work if shared is None else replace(work, batch_size=shared // count)


def _link(work: Work, machine: Machine) -> float:
    return machine.bytes_per_second / work.input_bytes if work.input_bytes else float("inf")
