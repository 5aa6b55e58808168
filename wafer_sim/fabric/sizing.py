"""How many cores each kernel needs so that a sample can come every so many cycles, memory included."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from wafer_sim.fabric.cost import Load, best_cores, least_cores, load_of
from wafer_sim.fabric.machine import Machine
from wafer_sim.fabric.memory import memory_of
from wafer_sim.fabric.timing import holding, times
from wafer_sim.fabric.work import TRAINING, Work

_AHEAD = (1.0, 0.7, 0.5, 0.35, 0.2)
"""Kernels may be quicker than samples come: it takes cores, and leaves fewer samples in flight to be kept."""
_ROUNDS = 12
_CLOSE = 0.98  # rectangles are no squares, and cycles on them a little different
_SMALL = 100
_SPARE = 0.9
ONE_CYCLE = 1.0  # samples come no quicker, whatever little there is to do
SLACK = 0.01
"""Of the speed: the last hundredth would cost a fifth of a kernel's cores, where it has as many as help."""


@dataclass(frozen=True, slots=True)
class Needs:
    """target: cycles per sample that each kernel must reach. By kernel: cores, about; held, the least for its memory;
    amply, how many it may have because they are so few."""

    target: float
    cores: tuple[int, ...]
    held: tuple[int, ...]
    amply: tuple[int, ...]


@dataclass(frozen=True)
class Sizing:
    """A work on a machine's cores."""

    work: Work
    machine: Machine

    @cached_property
    def loads(self) -> tuple[Load, ...]:
        """The kernels in the machine's numbers."""
        return tuple(load_of(kernel, self.work, self.machine) for kernel in self.work.kernels)

    def fastest(self, area: int) -> float:
        """Cycles per sample below which no number of cores helps, or of which so many cores give no less."""
        alone = max(load.service(best_cores(load, area) ** 0.5, best_cores(load, area) ** 0.5) for load in self.loads)
        together = sum(load.forward.compute + load.backward.compute for load in self.loads) / area
        return max(alone * (1 + SLACK), together, ONE_CYCLE)

    def needs(self, interval: float, area: int) -> Needs | None:
        """Cores for a sample every `interval` cycles within so many cores; None where that is too few."""
        for ahead in _AHEAD:
            found = self._needs(interval, interval * ahead, area)
            if found is not None and sum(found.cores) <= area:
                return self._ample(found, area)
        return None

    def _ample(self, needs: Needs, area: int) -> Needs:
        """Small kernels get up to a hundredth of the cores, where there are some left: it shortens fill and update."""
        share = max(sum(needs.cores) // _SMALL, 1)
        amply = [min(share, best_cores(load, area)) for load in self.loads]
        cores = [max(few, many) for few, many in zip(needs.cores, amply, strict=True)]
        return replace(needs, cores=tuple(cores), amply=tuple(amply)) if sum(cores) <= area * _SPARE else needs

    def held(self, forward: Sequence[float], backward: Sequence[float], interval: float) -> tuple[int, ...]:
        """By kernel the bytes it holds, from the cycles of its phases and of the interval."""
        back = backward if self.work.mode == TRAINING else ()
        flying = holding(self.work, forward, back).in_flight(interval, self.work)
        pairs = zip(self.work.kernels, flying, strict=True)
        return tuple(memory_of(kernel, self.work, count).total for kernel, count in pairs)

    def latency(self, needs: Needs) -> float:
        """Cycles of one sample alone through kernels of so many cores, were they squares."""
        phases = [load.phases(c**0.5, c**0.5) for load, c in zip(self.loads, needs.cores, strict=True)]
        back = [b for _, b in phases] if self.work.mode == TRAINING else []
        return times(self.work, [f for f, _ in phases], back).latency

    def least(self) -> int:
        """Cores without which the work does not fit at any speed."""
        return sum(
            math.ceil(memory_of(kernel, self.work, 1).total / self.machine.room) or 1 for kernel in self.work.kernels
        )

    def _needs(self, interval: float, target: float, area: int) -> Needs | None:
        quick = [least_cores(load, target, area) for load in self.loads]
        wanted = [cores for cores in quick if cores is not None]
        if len(wanted) < len(quick) or sum(wanted) > area:
            return None
        cores = wanted
        for turn in range(_ROUNDS):
            phases = [load.phases(c**0.5, c**0.5) for load, c in zip(self.loads, cores, strict=True)]
            held = self.held([f for f, _ in phases], [b for _, b in phases], interval * _CLOSE)
            room = [math.ceil(size / self.machine.room) for size in held]
            fresh = [max(w, r) for w, r in zip(wanted, room, strict=True)]
            if all(f <= c for f, c in zip(fresh, cores, strict=True)):
                return Needs(target, tuple(cores), _kept(cores, wanted, room), (1,) * len(cores))
            cores = fresh if turn < 3 else [max(f, c) for f, c in zip(fresh, cores, strict=True)]
        return None


def _kept(cores: Sequence[int], wanted: Sequence[int], room: Sequence[int]) -> tuple[int, ...]:
    """The least cores for memory: where it took more than speed did, all of them, since others count on that speed."""
    return tuple(c if c > w else r for c, w, r in zip(cores, wanted, room, strict=True))
