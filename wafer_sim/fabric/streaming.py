"""Weight streaming: one layer at a time has the whole wafer; its weights come over the link while the one before works.

Weights and the optimizer's state stay with the hosts, which update them; that takes no time of the wafer and is not
counted. A batch goes through in as few equal parts as the fabric has memory for; each part needs all weights again.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from wafer_sim.fabric.assembly import Found, assembled
from wafer_sim.fabric.cost import Load, arithmetic_cycles, load_of
from wafer_sim.fabric.machine import Machine
from wafer_sim.fabric.result import WEIGHT_STREAMING, Batch, Estimate, KernelEstimate
from wafer_sim.fabric.sizing import ONE_CYCLE
from wafer_sim.fabric.work import TRAINING, Kernel, Work
from wire.errors import Exhausted

LINK = "link"
_TURNS = 2  # a layer's weights that work and those that come
_GIBI = 2**30


@dataclass(frozen=True, slots=True)
class Turn:
    """One layer's turn with so many samples, in cycles: what comes over the link, the work, and what goes back."""

    comes: float
    works: float
    goes: float


def estimated(work: Work, machine: Machine) -> Estimate:
    """The estimate of a work in weight streaming. Raises Exhausted where not even one sample fits."""
    parts, samples = parts_of(work, machine)
    cycles = max(batch_cycles(turns(work, machine, samples, parts)), ONE_CYCLE * work.batch_size)
    batch = Batch(work.batch_size, cycles / work.batch_size, 0.0, 0.0, 0.0, parts, cycles)
    kernels = tuple(_kernel(kernel, work, machine, samples) for kernel in work.kernels)
    bound = _bound(kernels)
    slowest = max((kernel for kernel in kernels if kernel.bound == bound), key=lambda kernel: kernel.turn)
    loads = (load_of(kernel, work, machine) for kernel in work.kernels)
    found = Found(WEIGHT_STREAMING, [(0, 0)], kernels, batch, bound, slowest.name, held(work, machine, samples))
    return assembled(work, machine, loads, found)


def held(work: Work, machine: Machine, samples: int) -> int:
    """Bytes on the wafer with so many samples at once: what is kept for the backward pass, and the largest layer."""
    kept = sum(kernel.kept_bytes for kernel in work.kernels) if work.mode == TRAINING else 0
    passing = max(kernel.bytes_in + kernel.bytes_out for kernel in work.kernels)
    weights = max(_sent(kernel, work, machine) for kernel in work.kernels)
    gradients = max(kernel.weight_bytes for kernel in work.kernels) if work.mode == TRAINING else 0
    return samples * (kept + passing) + _TURNS * math.ceil(weights) + gradients


def parts_of(work: Work, machine: Machine) -> tuple[int, int]:
    """In how many parts a batch goes through, and samples of a part. Raises Exhausted."""
    room = machine.area * machine.room
    fixed = held(work, machine, 0)
    each = held(work, machine, 1) - fixed
    if fixed + each > room:
        raise Exhausted(
            f"one sample needs {(fixed + each) / _GIBI:.3g} GiB on the fabric, which has {room / _GIBI:.3g}: "
            f"{(fixed + each - room) / _GIBI:.3g} GiB too much",
            where=", ".join(kernel.name for kernel in largest(work)),
            fix="make samples smaller (sequence length, image size) or the largest layer narrower",
        )
    parts = math.ceil(work.batch_size / ((room - fixed) // max(each, 1)))
    return parts, math.ceil(work.batch_size / parts)


def largest(work: Work, count: int = 3) -> list[Kernel]:
    """The kernels with most weights and kept activations."""

    def size(kernel: Kernel) -> int:
        return kernel.weight_bytes + kernel.optimizer_bytes + kernel.kept_bytes

    return sorted(work.kernels, key=size, reverse=True)[:count]


def turns(work: Work, machine: Machine, samples: int, parts: int) -> Iterator[Turn]:
    """The turns of a batch: for each part of it the samples come, all layers work forward, in training all back."""
    for _ in range(parts):
        yield Turn(samples * work.input_bytes / machine.link_bytes_per_cycle, 0.0, 0.0)
        for kernel in work.kernels:
            forward, _ = _phases(load_of(kernel, work, machine), machine, samples)
            yield Turn(_link_cycles(kernel, work, machine), forward, 0.0)
        for kernel in reversed(work.kernels) if work.mode == TRAINING else ():
            _, backward = _phases(load_of(kernel, work, machine), machine, samples)
            weights = _link_cycles(kernel, work, machine)
            yield Turn(weights, backward, weights)


def batch_cycles(taken: Iterable[Turn]) -> float:
    """Cycles of a batch. There are places for the weights of two layers: the next ones come when one is free again."""
    fetched = worked = sent = free = last = 0.0
    for turn in taken:
        if turn.comes:
            fetched = max(fetched, free) + turn.comes
        worked = max(worked, fetched) + turn.works
        if turn.comes:
            free, last = last, worked
        sent = max(sent, worked) + turn.goes
    return max(worked, sent)


def _phases(load: Load, machine: Machine, samples: int) -> tuple[float, float]:
    """Cycles of a layer's phases for so many samples, which it can divide as well."""
    shape = _shape(load, machine, samples)
    return load.forward.cycles(*shape) * samples, load.backward.cycles(*shape) * samples


def _shape(load: Load, machine: Machine, samples: int) -> tuple[int, int, float]:
    """Cores that divide the work, the shorter side, and each sample's share of the way across."""
    way = machine.hop_cycles * (machine.width + machine.height) / samples
    return min(machine.area, load.most * samples), min(machine.width, machine.height), way


def _sent(kernel: Kernel, work: Work, machine: Machine) -> float:
    """Bytes of a layer's weights on the link: float32 with the hosts, sent in what the arithmetic is done in."""
    return kernel.weight_bytes * machine.value_bytes[work.precision] / machine.value_bytes["float32"]


def _link_cycles(kernel: Kernel, work: Work, machine: Machine) -> float:
    return _sent(kernel, work, machine) / machine.link_bytes_per_cycle


def _kernel(kernel: Kernel, work: Work, machine: Machine, samples: int) -> KernelEstimate:
    load = load_of(kernel, work, machine)
    forward, backward = (cycles / samples for cycles in _phases(load, machine, samples))
    parts = load.split(*_shape(load, machine, samples))
    transfers = 2 if work.mode == TRAINING else 1  # gradients leave while weights come
    link = transfers * _link_cycles(kernel, work, machine) / samples
    turn = max(forward + backward, link)
    arithmetic = arithmetic_cycles(kernel, work, machine) / machine.area
    return KernelEstimate(
        name=kernel.name,
        kind=kernel.kind,
        source=kernel.source,
        inputs=kernel.inputs,
        cores=min(machine.area, load.most * samples),
        rectangle=None,
        forward=forward,
        backward=backward,
        compute=parts.compute,
        memory=parts.memory,
        fabric=parts.fabric,
        link=link,
        bound=LINK if link > forward + backward else parts.bound,
        in_flight=samples,
        held_bytes=kernel.kept_bytes * samples if work.mode == TRAINING else 0,
        room_bytes=machine.area * machine.room,
        busy=(forward + backward) / turn if turn else 0.0,
        utilisation=arithmetic / turn if turn else 0.0,
    )


def _bound(kernels: tuple[KernelEstimate, ...]) -> str:
    """The kind of the layers that take most of the time."""
    sums: dict[str, float] = {}
    for kernel in kernels:
        sums[kernel.bound] = sums.get(kernel.bound, 0.0) + kernel.turn
    return max(sums, key=lambda kind: sums[kind])
