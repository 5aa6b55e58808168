"""Layer pipelined: the whole network lies on the wafer, and samples flow through it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from wafer_sim.fabric.assembly import Found, assembled
from wafer_sim.fabric.cost import FABRIC, arithmetic_cycles, update_cycles
from wafer_sim.fabric.placement import Placed
from wafer_sim.fabric.result import PIPELINE, Batch, Estimate, KernelEstimate
from wafer_sim.fabric.sizing import Sizing
from wafer_sim.fabric.work import TRAINING

Corners = Sequence[tuple[int, int]]


def estimated(sizing: Sizing, placed: Placed, corners: Corners) -> Estimate:
    """The estimate of a placement whose replicas have their corners there."""
    batch = batch_of(sizing, placed, corners)
    kernels = tuple(_kernel(sizing, placed, i, batch.interval) for i in range(len(sizing.work.kernels)))
    slowest = max(kernels, key=lambda kernel: kernel.cycles)
    bound = FABRIC if batch.reduce > batch.cycles / 2 else slowest.bound
    held = sum(kernel.held_bytes for kernel in kernels) * len(corners)
    found = Found(PIPELINE, corners, kernels, batch, bound, slowest.name, held)
    return assembled(sizing.work, sizing.machine, sizing.loads, found)


def batch_of(sizing: Sizing, placed: Placed, corners: Corners) -> Batch:
    """The cycles of one batch of one replica. Inference has nothing that is paid once per batch."""
    size = sizing.work.batch_size
    if sizing.work.mode != TRAINING:
        return Batch(size, placed.interval, 0.0, 0.0, 0.0, 1, size * placed.interval)
    fill = placed.latency - placed.interval
    once = Batch(size, placed.interval, fill, _update(sizing, placed), _reduce(sizing, placed, corners), 1, 0.0)
    return replace(once, cycles=size * once.interval + once.fill + once.update + once.reduce)


def _update(sizing: Sizing, placed: Placed) -> float:
    """All kernels update their weights at once, when the last sample is through."""
    pairs = zip(sizing.work.kernels, placed.rectangles, strict=True)
    return max(update_cycles(kernel, min(r.cores, max(kernel.most_cores, 1)), sizing.machine) for kernel, r in pairs)


def _reduce(sizing: Sizing, placed: Placed, corners: Corners) -> float:
    """Gradients go along the rows of replicas, then along the columns, and the sums come back.

    A link between two replicas carries the gradients of the row, or column, of cores behind it.
    """
    across, down = len({x for x, _ in corners}) > 1, len({y for _, y in corners}) > 1
    return across * reduced(sizing, placed.height) + down * reduced(sizing, placed.width)


def reduced(sizing: Sizing, side: float) -> float:
    """Cycles of a reduction in one direction, between replicas whose facing sides are so many cores long."""
    machine, gradients = sizing.machine, sum(kernel.weight_bytes for kernel in sizing.work.kernels)
    return 2 * (gradients / side / machine.link_bytes + machine.hop_cycles * max(machine.width, machine.height))


def _kernel(sizing: Sizing, placed: Placed, i: int, interval: float) -> KernelEstimate:
    kernel, load, rectangle = sizing.work.kernels[i], sizing.loads[i], placed.rectangles[i]
    parts = load.parts(rectangle.width, rectangle.height)
    forward, backward = placed.forward[i], placed.backward[i]
    arithmetic = arithmetic_cycles(kernel, sizing.work, sizing.machine)
    return KernelEstimate(
        name=kernel.name,
        kind=kernel.kind,
        source=kernel.source,
        inputs=kernel.inputs,
        cores=rectangle.cores,
        rectangle=rectangle,
        forward=forward,
        backward=backward,
        compute=parts.compute,
        memory=parts.memory,
        fabric=parts.fabric,
        link=0.0,
        bound=parts.bound,
        in_flight=placed.in_flight[i],
        held_bytes=placed.held[i],
        room_bytes=rectangle.cores * sizing.machine.room,
        busy=(forward + backward) / interval,
        utilisation=arithmetic / rectangle.cores / interval,
    )
