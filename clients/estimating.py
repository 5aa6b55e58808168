"""What the wafer would make of a job: its estimate."""

from __future__ import annotations

import logging

from clients.captured import Captured
from clients.job import Job
from wafer_sim.compiler.lowering import lower
from wafer_sim.compiler.training import OptimizerSpec
from wafer_sim.fabric import artefacts, machine, screen
from wafer_sim.fabric.estimate import estimate
from wafer_sim.fabric.result import Estimate
from wire.errors import Refused

log = logging.getLogger("clients")


def estimate_of(captured: Captured, job: Job) -> Estimate | None:
    """The estimate of a captured job; None, said in a line, where there is none.

    There is none where an operation's shape or cost is not known, and for replicas in weight streaming, which the real
    machine has not. Where the compiler chooses the number of replicas, there are as many as fit and help.

    Raises Exhausted for a model that does not fit on the wafer.
    """
    spec = OptimizerSpec.model_validate_json(captured.optimizer) if captured.optimizer else None
    entry = max(captured.program.graphs, key=lambda each: each.batch_size)
    try:
        return estimate(
            lower(captured.program, entry, spec),
            machine.load(job.config.machine),
            strategy=job.config.execution_strategy,
            replicas=None if captured.open_replicas else captured.plan.replicas,
            global_batch=entry.batch_size * captured.plan.replicas,
        )
    except Refused as reason:
        log.warning("No estimate: %s", reason)
        return None


def say(made: Estimate | None) -> None:
    """The estimate as log lines."""
    for name, value in screen.facts(made) if made is not None else ():
        log.info("Estimate: %-12s %s", name, value)


def reports(made: Estimate | None) -> dict[str, bytes]:
    """File name -> content: what a compile leaves of it beside the program."""
    return artefacts.files(made) if made is not None else {}
