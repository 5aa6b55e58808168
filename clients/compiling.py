"""Compiling: what was captured is checked and left as an executable, on a laptop, in seconds. Needs no system."""

from __future__ import annotations

import logging
import math
import os
import sys
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from clients import estimating
from clients.analysis.analyzer import analysed, nodes_asked
from clients.captured import Capture, Captured
from clients.job import TRAIN, Job
from clients.replicas import sentence, simulated
from streamer.advice.wording import lines_of
from wafer_sim.compiler.dataflow import Dataflow
from wafer_sim.compiler.precision import describe
from wafer_sim.compiler.reading import AnyProgram
from wafer_sim.compiler.training import OptimizerSpec
from wafer_sim.executables import write_executable
from wafer_sim.fabric.result import WEIGHT_STREAMING, Estimate
from wafer_sim.memory_size import size_from
from wafer_sim.runtime.opening import Execution, no_streaming, require_room
from wire.errors import InvalidInput, Refused
from wire.findings import Findings

log = logging.getLogger("clients")


@dataclass(frozen=True, slots=True)
class Compiled:
    """A captured job and its executable. cached: whether an equal one was there. seconds: what it took.

    estimate: what the wafer would make of it; None where that cannot be known.
    """

    captured: Captured
    path: Path
    cached: bool
    seconds: float
    estimate: Estimate | None = None


def validate(capture: Capture, job: Job) -> AnyProgram:
    """Check data, model and kernels, and leave nothing.

    Raises InvalidInput, NotFound, Refused, also for a model larger than runconfig.wafer_memory, and Exhausted for one
    that does not fit on the wafer.
    """
    begun = time.perf_counter()
    captured, estimate = _looked_at(capture, job)
    program = captured.program
    log.info("Input: %s", captured.source.description)
    log.info("Element: %s", ", ".join(f"{t.name} {t.dtype}{list(t.shape)}" for t in program.inputs))
    for entry, graph in program.graphs.items():
        families = Counter(node.op.removeprefix("aten.").partition(".")[0] for node in graph.nodes)
        most = ", ".join(f"{count} {op}" for op, count in families.most_common(4))
        log.info("Graph %s: %d operations, all with kernels (%s, ...)", entry, len(graph.nodes), most)
    log.info("Precision: %s", describe(program))
    estimating.say(estimate)
    weights = sum(math.prod(p.tensor.shape) for p in program.parameters if p.trained)
    log.info(
        "Validated in %.1f s: %s trained weights. Nothing was written.", time.perf_counter() - begun, f"{weights:,}"
    )
    _advise(captured, job, estimate)
    return program


def compile_job(capture: Capture, job: Job, kept: int | None = None) -> Compiled:
    """Leave the executable of a job in its compile_dir or model_dir. Raises as `validate`, and Exhausted.

    kept: replicas of the checkpoint that the run goes on from, which it keeps where the compiler chooses their number.
    """
    begun = time.perf_counter()
    captured, estimate = _looked_at(capture, job, kept)
    folder = Path(job.config.compile_dir or job.model_dir)
    beside = {**estimating.reports(estimate), **captured.beside}
    path, cached, patched = write_executable(folder, captured.program, beside, captured.optimizer)
    seconds = time.perf_counter() - begun
    found = "; ".join(["Compile was cached", *(["patched: " + ", ".join(patched)] if patched else []), "found"])
    log.info("%s in %.1f s: %s", found if cached else "Compiled", seconds, path)
    log.info("Precision: %s", describe(captured.program))
    if estimate is not None:
        log.info("Estimate: %s samples/s; `wafer_sim report %s` shows it", f"{estimate.samples_per_second:,.0f}", path)
    _advise(captured, job, estimate)
    return Compiled(captured, path, cached, seconds, estimate)


def _looked_at(capture: Capture, job: Job, kept: int | None = None) -> tuple[Captured, Estimate | None]:
    """What was captured, with the number of replicas that the run has, and the estimate. Tells all problems at once.

    Where the compiler chooses that number, the estimate has as many as fit the wafer and help.
    """
    findings = Findings()
    with findings:
        refuse_missing_features(job.params, job.config.fabric_mode, job.mode)
    with findings:
        captured = capture(kept)
        with findings:
            if job.config.execution_strategy == WEIGHT_STREAMING and isinstance(captured.program, Dataflow):
                raise no_streaming()
            captured, estimate = _placed(captured, capture, job, kept)
        with findings:
            _require_memory(captured, job)
    findings.settle()
    return captured, estimate


def _placed(captured: Captured, capture: Capture, job: Job, kept: int | None) -> tuple[Captured, Estimate | None]:
    """With the compiler's number of replicas, where it chooses it; and the estimate."""
    estimate = estimating.estimate_of(captured, job)
    if not captured.open_replicas:
        return captured, estimate
    if estimate is not None and kept is None:
        count = simulated(job.config, captured.plan.batch_size, estimate.replicas)
        captured = captured if count == captured.plan.replicas else capture(count)
    log.info("Replicas: %s", sentence(job.config, captured.plan.replicas, estimate, kept))
    return captured, estimate


def _require_memory(captured: Captured, job: Job) -> None:
    """What the wafer process would refuse for want of runconfig.wafer_memory is refused now."""
    if job.config.wafer_memory is None:
        return
    if isinstance(captured.program, Dataflow):
        log.warning("runconfig.wafer_memory bounds PyTorch programs only; this one runs without a bound")
        return
    optimizer = OptimizerSpec.from_json(captured.optimizer) if captured.optimizer else None
    streaming = job.model_dir if job.config.execution_strategy == WEIGHT_STREAMING else None
    how = Execution(streaming, size_from(job.config.wafer_memory), captured.plan.replicas)
    require_room(captured.program, optimizer, how)


def _advise(captured: Captured, job: Job, estimate: Estimate | None) -> None:
    """Say what would make the input quicker, whoever goes on then; and what it brings, where that is asked for."""
    review = captured.review()
    report = lines_of(review) if review is not None else ()
    if (nodes := nodes_asked(os.environ)) is None:
        for line in report:
            logging.getLogger(job.wording.logger).info("%s", line)
        return
    for line in chain(report, analysed(captured, job, estimate, nodes)):
        # It is what was asked for, whatever the user's own code has set up for logs.
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()


def refuse_missing_features(params: Mapping[str, Any], fabric_mode: str, mode: str) -> None:
    """Raises Refused for what this wafer has not, and InvalidInput for what an evaluation has not."""
    if (params.get("csconfig") or {}).get("use_cbfloat16"):
        what = "this wafer has no cbfloat16; it has float16 and bfloat16"
        fix = "set it to False; model.use_bfloat16: True asks for bfloat16"
        raise Refused(what, where="csconfig.use_cbfloat16", fix=fix)
    if mode != TRAIN and fabric_mode != "compute":
        what = f"fabric_mode {fabric_mode} measures the input of a training run; an evaluation computes"
        raise InvalidInput(what, where="runconfig.fabric_mode", fix="leave it out in mode eval")
