"""An estimate, put together from what a strategy found out: what all strategies share."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from wafer_sim.fabric.cost import INPUT, Load
from wafer_sim.fabric.machine import Machine
from wafer_sim.fabric.result import Batch, Estimate, KernelEstimate
from wafer_sim.fabric.work import Work


@dataclass(frozen=True, slots=True)
class Found:
    """What a strategy found out.

    corners: of the replicas. bound: what limits the fabric. bottleneck: the name of the slowest kernel. held_bytes: on
    the whole wafer.
    """

    strategy: str
    corners: Sequence[tuple[int, int]]
    kernels: tuple[KernelEstimate, ...]
    batch: Batch
    bound: str
    bottleneck: str
    held_bytes: int


def assembled(work: Work, machine: Machine, loads: Iterable[Load], found: Found) -> Estimate:
    """The estimate of a work. loads: of its kernels."""
    arithmetic = sum(load.forward.compute + load.backward.compute for load in loads)
    compute = machine.clock_hertz * work.batch_size * len(found.corners) / found.batch.cycles
    transmission = machine.bytes_per_second / work.input_bytes if work.input_bytes else math.inf
    return Estimate(
        machine=machine.name,
        title=machine.title,
        grid=(machine.width, machine.height),
        clock_hertz=machine.clock_hertz,
        strategy=found.strategy,
        mode=work.mode,
        precision=work.precision,
        input_bytes=work.input_bytes,
        corners=tuple(found.corners),
        kernels=found.kernels,
        batch=found.batch,
        bound=INPUT if transmission < compute else found.bound,
        bottleneck=found.bottleneck,
        compute_samples_per_second=compute,
        transmission_samples_per_second=transmission,
        held_bytes=found.held_bytes,
        room_bytes=machine.area * machine.room,
        ideal=arithmetic * len(found.corners) / machine.area,
    )
