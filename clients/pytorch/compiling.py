"""Compiling: data, model and kernels checked together, on a laptop, in seconds. Needs no system."""

from __future__ import annotations

import logging
import math
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clients.input import LoaderInput, eval_plan, replicas_of, train_plan
from clients.job import EVAL, TRAIN, Job
from clients.pytorch.capture import capture
from clients.pytorch.feed import loader_errors
from clients.pytorch.model import PyTorchBaseModel
from wafer_sim.compiler.program import EVALUATE, GRADIENTS, Entry, Program
from wafer_sim.executables import write_executable
from wire.errors import InvalidInput, Refused
from wire.v1 import run_pb2

log = logging.getLogger("clients")


@dataclass(frozen=True, slots=True)
class Captured:
    """A job's model over its input. plan: how the input is cut into streams and batches."""

    source: LoaderInput
    plan: run_pb2.DataPlan
    program: Program


@dataclass(frozen=True, slots=True)
class Compiled:
    """A captured job and its executable. cached: whether an equal one was there. seconds: what it took."""

    captured: Captured
    path: Path
    cached: bool
    seconds: float


def validate(model: PyTorchBaseModel, loader: Iterable[Any], job: Job) -> Program:
    """Check data, model and kernels, and leave nothing. Raises InvalidInput, NotFound or Refused."""
    begun = time.perf_counter()
    captured = captured_job(model, loader, job)
    program = captured.program
    log.info("Input: %s", captured.source.description)
    log.info("Element: %s", ", ".join(f"{t.name} {t.dtype}{list(t.shape)}" for t in program.inputs))
    for entry, graph in program.graphs.items():
        families = Counter(node.op.split(".")[1] for node in graph.nodes)
        most = ", ".join(f"{count} {op}" for op, count in families.most_common(4))
        log.info("Graph %s: %d operations, all with kernels (%s, ...)", entry, len(graph.nodes), most)
    weights = sum(math.prod(p.tensor.shape) for p in program.parameters if p.trained)
    log.info(
        "Validated in %.1f s: %s trained weights. Nothing was written.", time.perf_counter() - begun, f"{weights:,}"
    )
    return program


def compile_job(model: PyTorchBaseModel, loader: Iterable[Any], job: Job) -> Compiled:
    """Leave the executable of a job in its compile_dir or model_dir. Raises as `validate`, and Exhausted."""
    begun = time.perf_counter()
    captured = captured_job(model, loader, job)
    path, cached = write_executable(Path(job.config.compile_dir or job.model_dir), captured.program)
    seconds = time.perf_counter() - begun
    log.info("%s in %.1f s: %s", "Compile was cached; found" if cached else "Compiled", seconds, path)
    return Compiled(captured, path, cached, seconds)


def captured_job(model: PyTorchBaseModel, loader: Iterable[Any], job: Job) -> Captured:
    """Look at the loader, capture the model for what a run of this job will call. Raises as `validate`."""
    refuse_missing_features(job)
    with loader_errors():
        source = LoaderInput.of(loader)
    if job.mode == EVAL:
        plan = eval_plan(source, job.config)
        with loader_errors():
            sizes = [plan.batch_size, *source.batch_sizes(loader, job.config.eval_steps)]
        entries = [Entry(EVALUATE, size) for size in dict.fromkeys(sizes)]
    else:
        plan = train_plan(source, job.config, _replicas(model, job))
        entries = [Entry(GRADIENTS, plan.batch_size // plan.replicas)]
    return Captured(source, plan, capture(model, first_batch(loader), entries))


def _replicas(model: PyTorchBaseModel, job: Job) -> int:
    if job.config.multireplica and not model.allow_multireplica:
        log.warning("multireplica: this model does not allow it (model.allow_multireplica), so one replica runs")
    return replicas_of(job.config, train=True, allowed=model.allow_multireplica)


def refuse_missing_features(job: Job) -> None:
    """Raises Refused for what this wafer has not, and InvalidInput for what an evaluation has not."""
    if job.config.execution_strategy != "pipeline":
        what = "this wafer runs layer-pipelined only; weight streaming is not there yet"
        raise Refused(what, where="runconfig.execution_strategy", fix="leave it out, or set it to pipeline")
    if (job.params.get("csconfig") or {}).get("use_cbfloat16"):
        what = "this wafer has no cbfloat16; its mixed precision multiplies in bfloat16"
        raise Refused(what, where="csconfig.use_cbfloat16", fix="set it to False")
    if job.mode != TRAIN and job.config.fabric_mode != "compute":
        what = f"fabric_mode {job.config.fabric_mode} measures the input of a training run; an evaluation computes"
        raise InvalidInput(what, where="runconfig.fabric_mode", fix="leave it out in mode eval")


def first_batch(loader: Iterable[Any]) -> Any:
    """Any batch of a loader. Raises InvalidInput for a loader that gives nothing or raises."""
    with loader_errors():
        for batch in loader:
            return batch
    raise InvalidInput("the data loader gives no batch", fix="look at batch_size, drop_last_batch and the data")
