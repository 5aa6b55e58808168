"""Training and evaluation on the wafer: capture, compile, submit, start workers, follow to the end."""

from __future__ import annotations

import itertools
import logging
import time
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clients import progress, report
from clients.input import LoaderInput, eval_plan, replicas_of, train_plan
from clients.job import Job
from clients.launcher import LocalWorkers, loader_arguments
from clients.session import Session
from wafer_sim import checkpoints
from wafer_sim.checkpoints import Checkpoint
from wafer_sim.compiler.program import EVALUATE, GRADIENTS, Entry, Program
from wafer_sim.compiler.training import OptimizerSpec
from wafer_sim.executables import write_executable
from wafer_sim.runtime.protocol import State
from wire.errors import Fault, InvalidInput, NotFound, Stopped
from wire.status import fault_of
from wire.v1 import run_pb2

if TYPE_CHECKING:
    from clients.pytorch.model import PyTorchBaseModel

log = logging.getLogger("clients")

FABRICS = {
    "compute": run_pb2.FABRIC_COMPUTE,
    "drain": run_pb2.FABRIC_DRAIN,
    "synthetic": run_pb2.FABRIC_SYNTHETIC,
}
CANCEL_SECONDS = 4.0


@dataclass(frozen=True, slots=True)
class Prepared:
    """A job that is ready to be submitted."""

    program: Program
    spec: run_pb2.RunSpec
    compile_seconds: float


def train(model: PyTorchBaseModel, loader: Iterable[Any], job: Job) -> report.Outcome:
    """Train on the wafer behind job.cs_ip. Raises Fault; Stopped when interrupted, after a checkpoint."""
    source = LoaderInput.of(loader)
    replicas = replicas_of(job.config, train=True, allowed=model.allow_multireplica)
    plan = train_plan(source, job.config, replicas)
    prepared = _compile(model, loader, job, [Entry(GRADIENTS, plan.batch_size // replicas)])
    start = _first_checkpoint(model, job, prepared)
    spec = prepared.spec
    spec.data.CopyFrom(plan)
    spec.optimizer = OptimizerSpec.from_params(job.params["optimizer"]).model_dump_json()
    spec.max_steps = job.config.last_step(start, source.steps_per_epoch())
    spec.checkpoint_steps = job.config.checkpoint_steps
    return _run(job, prepared, source)


def evaluate(model: PyTorchBaseModel, loader: Iterable[Any], job: Job) -> report.Outcome:
    """Evaluate the newest checkpoint, or job.config.checkpoint_path, over the whole evaluation set."""
    source = LoaderInput.of(loader)
    plan = eval_plan(source, job.config)
    sizes = dict.fromkeys([plan.batch_size, *source.batch_sizes(loader)])
    prepared = _compile(model, loader, job, [Entry(EVALUATE, size) for size in sizes])
    prepared.spec.data.CopyFrom(plan)
    prepared.spec.max_steps = job.config.eval_steps or 0
    if not job.config.checkpoint_path and checkpoints.latest(job.model_dir) is None:
        raise NotFound(
            "there is no checkpoint to evaluate",
            where=str(job.model_dir),
            fix="train first, or give --checkpoint_path",
        )
    return _run(job, prepared, source)


def _compile(model: PyTorchBaseModel, loader: Iterable[Any], job: Job, entries: list[Entry]) -> Prepared:
    from clients.pytorch.capture import capture

    begun = time.perf_counter()
    program = capture(model, first_batch(loader), entries)
    directory = Path(job.config.compile_dir or job.model_dir)
    path, cached = write_executable(directory, program)
    seconds = time.perf_counter() - begun
    log.info("%s %s in %.1f s", "Using the cached compile" if cached else "Compiled", path.name[:15], seconds)
    spec = run_pb2.RunSpec(
        mode=run_pb2.MODE_TRAIN if job.mode == "train" else run_pb2.MODE_EVAL,
        fabric=FABRICS[job.config.fabric_mode],
        model_dir=str(job.model_dir),
        log_steps=job.config.log_steps,
        keep_checkpoint_max=job.config.keep_checkpoint_max,
        seed=job.config.seed,
        checkpoint=job.config.checkpoint_path or "",
        check_loss_values=job.config.check_loss_values,
        input_timeout=job.config.input_timeout,
        drain_rate=job.config.drain_rate,
    )
    return Prepared(program, spec, seconds)


def first_batch(loader: Iterable[Any]) -> Any:
    """The first batch of a loader. Raises InvalidInput for one that gives nothing."""
    for batch in itertools.islice(loader, 1):
        return batch
    raise InvalidInput("the data loader gives no batch", fix="look at batch_size, drop_last_batch and the data")


def _first_checkpoint(model: PyTorchBaseModel, job: Job, prepared: Prepared) -> int:
    """Make sure that there is a checkpoint to start from; the step at which the run starts."""
    from clients.pytorch.capture import initial_weights

    if job.config.checkpoint_path:
        prepared.spec.fresh_start = job.config.is_pretrained_checkpoint
        return 0 if prepared.spec.fresh_start else checkpoints.read(Path(job.config.checkpoint_path)).step
    latest = checkpoints.latest(job.model_dir)
    if latest is not None:
        step = checkpoints.read(latest).step
        log.info("Continuing from %s", latest)
        return step
    checkpoint = Checkpoint(
        step=0,
        state=State(initial_weights(model)),
        seed=job.config.seed,
        executable=prepared.program.digest(),
    )
    checkpoints.write(job.model_dir, checkpoint, keep=0)
    log.info("Saved checkpoint at global step: 0")
    return 0


def _run(job: Job, prepared: Prepared, source: LoaderInput) -> report.Outcome:
    spec = prepared.spec
    data = [] if spec.data.recipe else loader_arguments(job.data_reference(), _params_in_force(job))
    log.info("Input: %s", source.description)
    with ExitStack() as stack:
        session = stack.enter_context(Session(str(job.cs_ip)))
        session.elect(str(job.model_dir))
        spec.executable = session.compile(prepared.program.to_json()).executable
        spec.session = session.id
        run_id = session.submit(spec)
        workers = stack.enter_context(LocalWorkers(job.config.workers, session.address, session.id, data))
        finished = _follow(job, session, run_id, workers)
    outcome = report.Outcome.of(job.mode, finished, prepared.compile_seconds)
    _conclude(job, outcome)
    return outcome


def _follow(job: Job, session: Session, run_id: str, workers: LocalWorkers) -> run_pb2.Finished:
    view = progress.ProgressView(job.mode, "wafer:0", job.config.log_steps)
    with view, report.Summaries(job.model_dir, job.mode) as summaries:
        try:
            return _watch(session, run_id, view, summaries)
        except KeyboardInterrupt:
            view.phase("interrupted: the run stops after the step in hand, with a checkpoint")
            session.cancel(run_id)
            _watch(session, run_id, view, summaries)
            raise Stopped(
                "interrupted; the run was stopped with a checkpoint",
                where=str(job.model_dir),
                fix="run the same command again to continue",
            ) from None
        except Fault:
            for trouble in workers.troubles():
                log.error("%s", trouble)
            raise


def _watch(session: Session, run_id: str, view: progress.ProgressView, summaries: report.Summaries) -> run_pb2.Finished:
    for event in session.follow(run_id):
        match event.WhichOneof("event"):
            case "queued":
                view.queued(event.queued)
            case "phase":
                view.phase(event.phase)
            case "progress":
                view.progress(event.progress)
                summaries.add(event.progress)
            case "saved":
                view.saved(event.saved.step)
            case "failed":
                raise fault_of(event.failed)
            case "finished":
                return event.finished
            case kind:
                log.debug("an event of a kind that this version does not know: %s", kind)
    raise Stopped("the coordinator ended the run without a word", where=session.address)


def _conclude(job: Job, outcome: report.Outcome) -> None:
    report.print_table(outcome)
    report.write_performance(outcome, job.model_dir)
    if job.mode == "eval":
        log.info("Avg Eval. Loss = %.5f", outcome.loss)
        for name, value in outcome.metrics.items():
            log.info("%s = %.5f", name, value)
    elif not outcome.stopped:
        log.info("Training Completed Successfully!")


def _params_in_force(job: Job) -> Path:
    return job.model_dir / job.mode / f"params_{job.mode}.yaml"
