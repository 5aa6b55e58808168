"""A job's PyTorch model over its loader, captured for what a run of the job will call."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from clients.captured import Captured
from clients.input import LoaderInput, eval_plan, train_plan
from clients.job import EVAL, Job
from clients.pytorch.capture import capture, initial_weights
from clients.pytorch.feed import loader_errors
from clients.pytorch.model import PyTorchBaseModel
from clients.pytorch.origin import RECORD, origin_of
from clients.replicas import is_open, replicas_of
from streamer.advice.review import Watched, review
from streamer.randomness import undisturbed
from wafer_sim.compiler.program import EVALUATE, GRADIENTS, Entry, Program
from wafer_sim.compiler.training import OptimizerSpec
from wafer_sim.runtime.protocol import State
from wire.errors import InvalidInput
from wire.findings import Findings
from wire.v1 import run_pb2

log = logging.getLogger("clients")


def captured_job(
    model: PyTorchBaseModel, loader: Iterable[Any], watched: Watched, job: Job, replicas: int | None = None
) -> Captured:
    """Look at the loader, capture the model. watched: what was seen while the loader was made.

    replicas: so many where the compiler chooses their number, None: as many as the run may simulate.

    Raises InvalidInput, NotFound or Refused; problems of input and model that do not need each other together.
    """
    with loader_errors():
        source = LoaderInput.of(loader)
    allowed = job.mode != EVAL and model.allow_multireplica
    findings, entries = Findings(), [Entry(EVALUATE if job.mode == EVAL else GRADIENTS, source.batch_size)]
    with findings:
        plan = _plan(source, job, allowed, replicas)
        entries = _entries(source, plan, loader, job)
    with findings:
        program, beside = _program(model, first_batch(loader), entries, job)
    findings.settle()
    optimizer = "" if job.mode == EVAL else OptimizerSpec.from_params(job.params["optimizer"]).model_dump_json()
    reviewed = partial(review, loader, watched, source.opened, job.input_section)
    return Captured(
        source,
        plan,
        program,
        partial(_begin, model),
        reviewed,
        optimizer,
        beside=beside,
        open_replicas=is_open(job.config, allowed=allowed),
    )


def _begin(model: PyTorchBaseModel) -> tuple[int, State]:
    return 0, State(initial_weights(model))


def _program(
    model: PyTorchBaseModel, batch: Any, entries: Sequence[Entry], job: Job
) -> tuple[Program, Mapping[str, bytes]]:
    """The program, captured unless one of the same origin is there, and what is to be left beside it."""
    origin = origin_of(model, batch, entries, job.params)
    known = origin.recall(Path(job.config.compile_dir or job.model_dir)) if origin else None
    if known is not None:
        log.info("Capture: as before; neither the model nor its code has changed since the last compile")
        return known[0], {RECORD: known[1]}
    program = capture(model, batch, entries)
    return program, {RECORD: origin.record()} if origin else {}


def _plan(source: LoaderInput, job: Job, allowed: bool, replicas: int | None) -> run_pb2.DataPlan:
    if job.mode == EVAL:
        return eval_plan(source, job.config)
    if job.config.multireplica and not allowed:
        log.warning("multireplica: this model does not allow it (model.allow_multireplica), so one replica runs")
    count = replicas_of(job.config, source.batch_size, allowed=allowed, given=replicas)
    return train_plan(source, job.config, count)


def _entries(source: LoaderInput, plan: run_pb2.DataPlan, loader: Iterable[Any], job: Job) -> list[Entry]:
    if job.mode != EVAL:
        return [Entry(GRADIENTS, plan.batch_size // plan.replicas)]
    with loader_errors():
        sizes = [plan.batch_size, *source.batch_sizes(loader, job.config.eval_steps)]
    return [Entry(EVALUATE, size) for size in dict.fromkeys(sizes)]


def first_batch(loader: Iterable[Any]) -> Any:
    """Any batch of a loader, which this process may host. Raises InvalidInput where it gives nothing or raises."""
    with loader_errors(), undisturbed():
        for batch in loader:
            return batch
    raise InvalidInput("the data loader gives no batch", fix="look at batch_size, drop_last_batch and the data")
