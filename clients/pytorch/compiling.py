"""Validate and compile without a system: everything up to the kernels, on a laptop, in seconds."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from clients.input import LoaderInput, eval_plan, replicas_of, train_plan
from clients.job import EVAL, Job
from clients.pytorch.capture import capture
from clients.pytorch.feed import loader_errors
from clients.pytorch.model import PyTorchBaseModel
from wafer_sim.compiler.program import EVALUATE, GRADIENTS, Entry, Program
from wafer_sim.executables import write_executable
from wire.errors import InvalidInput

log = logging.getLogger("clients")


def validate(model: PyTorchBaseModel, loader: Iterable[Any], job: Job) -> Program:
    """Check data, model and kernels, and leave nothing. Raises InvalidInput, NotFound or Refused."""
    begun = time.perf_counter()
    source = LoaderInput.of(loader)
    program = capture(model, first_batch(loader), entries(source, loader, job, model.allow_multireplica))
    log.info("Input: %s", source.description)
    log.info("Element: %s", ", ".join(f"{t.name} {t.dtype}{list(t.shape)}" for t in program.inputs))
    for entry, graph in program.graphs.items():
        families = Counter(node.op.split(".")[1] for node in graph.nodes)
        most = ", ".join(f"{count} {op}" for op, count in families.most_common(4))
        log.info("Graph %s: %d operations, all with kernels (%s, ...)", entry, len(graph.nodes), most)
    weights = sum(_size(p.tensor.shape) for p in program.parameters if p.trained)
    log.info("Validated in %.1f s: %d trained weights. No executable was made.", time.perf_counter() - begun, weights)
    return program


def compile_only(model: PyTorchBaseModel, loader: Iterable[Any], job: Job) -> Path:
    """Leave the executable of a job in its compile_dir or model_dir. Raises as `validate`, and Exhausted."""
    begun = time.perf_counter()
    source = LoaderInput.of(loader)
    program = capture(model, first_batch(loader), entries(source, loader, job, model.allow_multireplica))
    directory = Path(job.config.compile_dir or job.model_dir)
    path, cached = write_executable(directory, program)
    seconds = time.perf_counter() - begun
    log.info("%s in %.1f s: %s", "Compile was cached; found" if cached else "Compiled", seconds, path)
    return path


def entries(source: LoaderInput, loader: Iterable[Any], job: Job, multireplica: bool) -> list[Entry]:
    """What a run of this job will call: one replica's batch in training, every size of batch in evaluation."""
    if job.mode == EVAL:
        sizes = [eval_plan(source, job.config).batch_size, *source.batch_sizes(loader)]
        return [Entry(EVALUATE, size) for size in dict.fromkeys(sizes)]
    replicas = replicas_of(job.config, train=True, allowed=multireplica)
    return [Entry(GRADIENTS, train_plan(source, job.config, replicas).batch_size // replicas)]


def first_batch(loader: Iterable[Any]) -> Any:
    """Any batch of a loader. Raises InvalidInput for a loader that gives nothing or raises."""
    with loader_errors():
        for batch in loader:
            return batch
    raise InvalidInput("the data loader gives no batch", fix="look at batch_size, drop_last_batch and the data")


def _size(shape: tuple[int, ...]) -> int:
    size = 1
    for extent in shape:
        size *= extent
    return size
