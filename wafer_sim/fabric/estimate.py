"""The door: a work, a machine, a strategy; how fast it is, or why it does not fit."""

from __future__ import annotations

from collections.abc import Sequence

from wafer_sim.fabric import streaming
from wafer_sim.fabric.machine import Machine
from wafer_sim.fabric.memory import memory_of
from wafer_sim.fabric.replicas import best, with_replicas
from wafer_sim.fabric.result import PIPELINE, STRATEGIES, WEIGHT_STREAMING, Estimate
from wafer_sim.fabric.work import Work
from wire.errors import Exhausted, Fault, InvalidInput, Refused, nearest

_MEBI = 2**20
_NAMED = 3


def estimate(
    work: Work,
    machine: Machine,
    *,
    strategy: str = PIPELINE,
    replicas: int | None = 1,
    global_batch: int | None = None,
) -> Estimate:
    """How fast a work is on a machine. replicas: so many; None: as many as fit and help.

    global_batch: samples of one update over all replicas, which then have equal shares of it; without it each replica
    takes work.batch_size. Raises InvalidInput; Exhausted where the work does not fit: by how much, which layers, and
    whether weight streaming would do; Refused for replicas in weight streaming, or a batch that cannot be shared.
    """
    _check(work, strategy, replicas, global_batch)
    machine.arithmetic(work.precision)
    if strategy == WEIGHT_STREAMING:
        return streaming.estimated(work, machine)
    if replicas is None:
        found = best(work, machine, global_batch)
    else:
        found = with_replicas(work, machine, replicas, global_batch)
    if found is None:
        raise _too_large(work, machine, replicas or 1)
    return found


def _check(work: Work, strategy: str, replicas: int | None, global_batch: int | None) -> None:
    if strategy not in STRATEGIES:
        hint = nearest(strategy, STRATEGIES)
        raise InvalidInput(f"no execution strategy {strategy!r}", where="execution_strategy", fix=hint)
    if not work.kernels or work.batch_size < 1:
        raise InvalidInput("a work needs a kernel and a batch of at least one sample")
    if replicas is not None and replicas < 1:
        raise InvalidInput(f"{replicas} replicas", where="num_replicas", fix="1 or more")
    if strategy == WEIGHT_STREAMING and replicas not in (None, 1):
        raise Refused("weight streaming has one replica: each layer takes the whole wafer", where="num_replicas")
    if replicas is not None and global_batch is not None and global_batch % replicas:
        fix = f"use a batch_size that {replicas} divides"
        raise Refused(f"{replicas} replicas cannot share {global_batch} samples", where="batch_size", fix=fix)


def _too_large(work: Work, machine: Machine, replicas: int) -> Fault:
    needed, room = _least_bytes(work) * replicas, machine.area * machine.room
    what = f"{_copies(replicas)} {_mebi(needed)} on the fabric at least, which has {_mebi(room)}: "
    what += f"{_mebi(needed - room)} too much" if needed > room else _without_shape(work, machine, replicas)
    return Exhausted(what, where=", ".join(_largest(work)), fix=_instead(work, machine, replicas))


def _without_shape(work: Work, machine: Machine, replicas: int) -> str:
    """Why what has the memory in all still has no place."""
    if len(work.kernels) * replicas > machine.area:
        return f"{len(work.kernels) * replicas:,} kernels, but {machine.area:,} cores"
    return "it fits in all, but its kernels find no place beside each other"


def _instead(work: Work, machine: Machine, replicas: int) -> str:
    if replicas > 1 and with_replicas(work, machine, 1) is not None:
        return "use fewer replicas: one fits"
    try:
        other = streaming.estimated(work, machine)
    except Exhausted as error:
        return f"weight streaming would not do either: {error.what}"
    rate = f"{other.samples_per_second:,.4g} samples/s"
    return f"execution_strategy weight_streaming would do: {_mebi(other.held_bytes)} on the fabric, {rate}"


def _least_bytes(work: Work) -> int:
    return sum(memory_of(kernel, work, 1).total for kernel in work.kernels)


def _largest(work: Work) -> Sequence[str]:
    sized = [(memory_of(kernel, work, 1).total, kernel) for kernel in work.kernels]
    top = sorted(sized, key=lambda pair: -pair[0])[:_NAMED]
    return [f"{kernel.name} ({_mebi(size)}{kernel.source and ', ' + kernel.source})" for size, kernel in top]


def _copies(replicas: int) -> str:
    return "the model needs" if replicas == 1 else f"{replicas} replicas need"


def _mebi(size: int) -> str:
    return f"{size / _MEBI:,.1f} MiB"
