"""How many replicas a run has: what the user says, or its checkpoint, or else the compiler."""

from __future__ import annotations

from clients.sections import RunConfig
from wafer_sim.fabric.result import WEIGHT_STREAMING, Estimate

_BOUND = "runconfig.max_simulated_replicas"


def is_open(config: RunConfig, *, allowed: bool) -> bool:
    """Whether the compiler chooses: training with --multireplica and no number, on a model that allows it."""
    return config.multireplica and allowed and config.num_replicas is None


def replicas_of(config: RunConfig, batch_size: int, *, allowed: bool, given: int | None = None) -> int:
    """Replicas to capture a training run for: one without --multireplica, else what num_replicas says.

    batch_size: of all replicas together. given: the number, where it is the compiler's and known; without it, it is as
    many as the run may simulate.
    """
    if not (config.multireplica and allowed):
        return 1
    return config.num_replicas or given or simulated(config, batch_size)


def simulated(config: RunConfig, batch_size: int, most: int | None = None) -> int:
    """The largest number that divides a batch, within what may be simulated, the streams that are given, and `most`."""
    bounds = (config.max_simulated_replicas, config.num_streams, most)
    return max(n for n in range(1, min(bound for bound in bounds if bound is not None) + 1) if batch_size % n == 0)


def sentence(config: RunConfig, count: int, estimate: Estimate | None, kept: int | None) -> str:
    """What is said of a number that the compiler chose. estimate: with as many as fit the wafer and help.

    kept: the number of the checkpoint that the run goes on from.
    """
    if estimate is None:
        wafer, known = "how many would help on the wafer is not known", 0
    elif config.execution_strategy == WEIGHT_STREAMING:
        wafer, known = "weight streaming has one, as each layer takes the whole wafer", 1
    else:
        wafer, known = f"{estimate.replicas} fit on the wafer and help", estimate.replicas
    if kept is not None:
        return f"{wafer}; this run has {count}, as its checkpoint"
    return wafer if known == count else f"{wafer}; this run simulates {count} ({_reason(config)})"


def _reason(config: RunConfig) -> str:
    streams = config.num_streams
    few = streams is not None and streams < config.max_simulated_replicas
    return f"runconfig.num_streams: {streams}" if few else f"{_BOUND}: {config.max_simulated_replicas}"
