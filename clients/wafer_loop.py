"""Training and evaluation on the wafer: compile, submit, start workers, follow to the end."""

from __future__ import annotations

import logging
import os
from bisect import bisect_left
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from clients import following, report
from clients.captured import Capture
from clients.compiling import Compiled, compile_job
from clients.job import Job
from clients.launcher import LocalWorkers, loader_arguments
from clients.resuming import starts
from clients.roles import local_workers
from clients.session import Session, has_ended
from clients.skipping import skips_of
from clients.working import candidate, here
from wafer_sim import checkpoints
from wafer_sim.checkpoints import Checkpoint
from wafer_sim.fabric.result import WEIGHT_STREAMING
from wafer_sim.memory_size import size_from
from wire.errors import NotFound, Refused
from wire.v1 import coordinator_pb2, run_pb2

log = logging.getLogger("clients")

FABRICS = {
    "compute": run_pb2.FABRIC_COMPUTE,
    "drain": run_pb2.FABRIC_DRAIN,
    "synthetic": run_pb2.FABRIC_SYNTHETIC,
}


def train(capture: Capture, job: Job) -> report.Outcome | None:
    """Train on the wafer behind job.cs_ip; None where there was nothing left to train.

    Raises Fault; Interrupted by Ctrl-C, after a checkpoint.
    """
    with _chief(job) as session:
        if (left := _left_behind(job, session)) is not None:
            return _concluded(job, session, compile_job(capture, job, left.spec.data.replicas), left)
        start = _start(job)
        compiled = compile_job(capture, job, _replicas_of(start, job))
        step = _begin(job, compiled) if start is None else _go_on(start, job, compiled.captured.plan)
        live = session.live_run(str(job.model_dir))
        last = last_step(job, step, compiled.captured.source.steps_per_epoch(), live)
        if last <= step and live is None:
            log.info("Nothing left to train: the checkpoint is at step %d. To go on, raise max_steps.", step)
            return None
        spec = _spec(job, session, compiled)
        spec.fresh_start = start is not None and job.config.is_pretrained_checkpoint
        spec.optimizer = compiled.captured.optimizer
        spec.max_steps = last
        spec.checkpoint_steps = job.config.checkpoint_steps
        spec.counted_from = job.counted_from
        spec.skip.extend(skips_of(job.config, spec.data.batch_size))
        if start is not None and not spec.fresh_start:
            spec.starts.extend(starts(compiled.captured.source, spec.data, start))
        if start is not None and (spec.starts or spec.fresh_start):
            # They belong to this checkpoint; a run of before may leave a newer one meanwhile.
            spec.checkpoint = spec.checkpoint or str(job.model_dir / f"checkpoint_{start.step}")
        return _run(job, session, compiled, spec, live=live)


def evaluate(capture: Capture, job: Job) -> report.Outcome:
    """Evaluate the newest checkpoint, or job.config.checkpoint_path, over the whole evaluation set."""
    if given_checkpoint(job) is None and checkpoints.latest(job.model_dir) is None:
        raise NotFound(
            "there is no checkpoint to evaluate",
            where=str(job.model_dir),
            fix="train first, or give --checkpoint_path",
        )
    path, checkpoint = _found(job)
    with _chief(job) as session:
        compiled = compile_job(capture, job)
        if (left := _left_behind(job, session)) is not None:
            return _concluded(job, session, compiled, left, checkpoint.step)
        log.info("Evaluating %s", path)
        spec = _spec(job, session, compiled)
        spec.checkpoint = str(path)
        spec.max_steps = job.config.eval_steps or 0
        return _run(job, session, compiled, spec, checkpoint.step)


def given_checkpoint(job: Job) -> Path | None:
    """runconfig.checkpoint_path as the service finds it, whose current folder is another one."""
    given = job.config.checkpoint_path
    return Path(given).expanduser().absolute() if given else None


@contextmanager
def _chief(job: Job) -> Iterator[Session]:
    """A session that is chief of the model_dir: from here on nobody else writes there."""
    with Session(str(job.cs_ip), name=here().session, candidate=candidate()) as session:
        session.elect(str(job.model_dir))
        yield session


def _left_behind(job: Job, session: Session) -> coordinator_pb2.RunStatus | None:
    """The run of a chief that is gone, where it ended before this process took its place."""
    left = session.left_behind(str(job.model_dir), mode_of(job)) if job.succeeds else None
    return left if left is not None and has_ended(left) else None


def _concluded(
    job: Job, session: Session, compiled: Compiled, run: coordinator_pb2.RunStatus, step: int = 0
) -> report.Outcome:
    """What a run that has ended without its chief left to be said and written. Raises the Fault that it ended with."""
    log.info("%s has ended meanwhile, at step %d", run.run_id, run.progress.step)
    nobody = LocalWorkers(0, session.address, session.id)
    at = run.progress.step
    finished = following.follow(job, session, run.run_id, nobody, run.spec.data.batch_size, at)
    outcome = report.Outcome.of(job.mode, finished, compiled.seconds, compiled.estimate)
    report.conclude(job, outcome, step)
    return outcome


def mode_of(job: Job) -> run_pb2.Mode:
    """A job's mode as it travels."""
    return run_pb2.MODE_TRAIN if job.mode == "train" else run_pb2.MODE_EVAL


def _spec(job: Job, session: Session, compiled: Compiled) -> run_pb2.RunSpec:
    return run_pb2.RunSpec(
        mode=mode_of(job),
        fabric=FABRICS[job.config.fabric_mode],
        model_dir=str(job.model_dir),
        executable=session.compile(compiled.captured.program.to_json()).executable,
        data=compiled.captured.plan,
        session=session.id,
        chief=session.candidate,
        log_steps=job.config.log_steps,
        keep_checkpoint_max=job.config.keep_checkpoint_max,
        seed=job.config.seed,
        checkpoint=str(given_checkpoint(job) or ""),
        check_loss_values=job.config.check_loss_values,
        input_timeout=job.config.input_timeout,
        summary_steps=compiled.captured.summary_steps,
        drain_rate=_drain_rate(job, compiled),
        tcp_only=job.config.transport == "tcp",
        weight_streaming=job.config.execution_strategy == WEIGHT_STREAMING,
        wafer_memory=size_from(job.config.wafer_memory) if job.config.wafer_memory else 0,
    )


def _drain_rate(job: Job, compiled: Compiled) -> float:
    if job.config.drain_rate != "estimated":
        return job.config.drain_rate
    if compiled.estimate is None:
        what = "there is no estimate of this model at whose rate its input could be drained"
        raise Refused(what, where="runconfig.drain_rate", fix="give a number of samples per second")
    return compiled.estimate.samples_per_second


def _start(job: Job) -> Checkpoint | None:
    """The checkpoint that a training run starts from, None for one that begins. Raises NotFound, InvalidInput."""
    latest = checkpoints.latest(job.model_dir)
    if given_checkpoint(job) is None and latest is None:
        return None
    found, checkpoint = _found(job)
    if job.config.is_pretrained_checkpoint:
        log.info("Starting at global step 0 with the weights of %s", found)
    else:
        log.info("Continuing from global step: %d (%s)", checkpoint.step, found)
    if latest is not None and latest.absolute() != found:
        log.warning("%s is there too; a later run without --checkpoint_path goes on from the highest step", latest)
    return checkpoint


def _found(job: Job) -> tuple[Path, Checkpoint]:
    """The checkpoint that is given, else the newest whole one, and where it is. Raises NotFound, InvalidInput."""
    if given := given_checkpoint(job):
        return given, checkpoints.read(given)
    checkpoint, damaged = checkpoints.newest_whole(job.model_dir)
    for problem in damaged:
        log.warning("A damaged checkpoint is passed over: %s", problem)
    return job.model_dir / f"checkpoint_{checkpoint.step}", checkpoint


def _replicas_of(start: Checkpoint | None, job: Job) -> int | None:
    """The replicas of the checkpoint that a run goes on from; None where it need not keep them."""
    if start is None or not start.streams or job.config.is_pretrained_checkpoint:
        return None
    return start.data.get("replicas")


def _begin(job: Job, compiled: Compiled) -> int:
    digest = compiled.captured.program.digest()
    step, state = compiled.captured.begin()
    path = checkpoints.write(job.model_dir, Checkpoint(step, state, seed=job.config.seed, executable=digest))
    logging.getLogger(job.wording.logger).info("%s", job.wording.saved(step, str(path)))
    if job.on_saved is not None:
        job.on_saved(step)
    return step


def _go_on(start: Checkpoint, job: Job, plan: run_pb2.DataPlan) -> int:
    """The step to go on from, with the streams of the checkpoint where the user does not say how many.

    Raises Refused where these cannot feed the replicas.
    """
    streams = len(start.streams)
    if job.config.is_pretrained_checkpoint or start.step == 0:
        return 0 if job.config.is_pretrained_checkpoint else start.step
    if job.config.num_streams is None and streams:
        if streams < plan.replicas:
            raise Refused(
                f"the checkpoint of step {start.step} has {streams} stream{'s' if streams > 1 else ''}, "
                f"too few for {plan.replicas} replicas",
                where=str(job.model_dir),
                fix="go on without --multireplica, or start a new model_dir with --checkpoint_path and "
                "--is_pretrained_checkpoint",
            )
        plan.streams = streams
    return start.step


def _run(  # noqa: PLR0913, PLR0917 - who, what, and what is there already
    job: Job,
    session: Session,
    compiled: Compiled,
    spec: run_pb2.RunSpec,
    step: int = 0,
    live: coordinator_pb2.RunStatus | None = None,
) -> report.Outcome:
    """Submit the run and follow it. live: the run that was there a moment ago, and is to be gone on with."""
    own = job.worker_command(session.address, session.id) if job.worker_command is not None else None
    data = [] if spec.data.recipe or own else loader_arguments(job.data_reference(), _params_in_force(job))
    log.info("Input: %s", compiled.captured.source.description)
    workers = LocalWorkers(_local_workers(job), session.address, session.id, data, job.config.streamer_logging, own)
    submitted = session.submit(spec)
    if live is not None and not submitted.attached:
        session.cancel(submitted.run_id)  # the other one has ended just now: nothing is left to do
        return _concluded(job, session, compiled, live, step)
    at = _attached(session, submitted, spec.model_dir) if submitted.attached else 0
    finished = following.follow(job, session, submitted.run_id, workers, spec.data.batch_size, at)
    outcome = report.Outcome.of(job.mode, finished, compiled.seconds, compiled.estimate)
    report.conclude(job, outcome, step)
    return outcome


def _local_workers(job: Job) -> int:
    """How many to start: what the user says, else a launcher; none beside tasks that one has started; else two."""
    if (job.config.num_workers, job.config.num_workers_per_csx) != (None, None):
        return job.config.workers
    asked = local_workers(os.environ)
    return asked if asked is not None else (job.config.workers if here().tasks == 1 else 0)


def _attached(session: Session, submitted: run_pb2.SubmitReply, model_dir: str) -> int:
    """The step of the run that was there already, without a chief; it is said."""
    live = session.live_run(model_dir)
    at = live.progress.step if live is not None else 0
    log.info("Attached to %s, which is at step %d", submitted.run_id, at)
    return at


def last_step(job: Job, step: int, steps_in_epoch: int | None, live: coordinator_pb2.RunStatus | None) -> int:
    """The step after which training ends, for a run that goes on from `step`.

    live: the run of this model_dir that goes on, whose chief may have been killed. Where the end counts from the step
    at which a run started (num_steps, num_epochs) and that one could have started so, its end is taken for ours.
    """
    last = job.config.last_step(step, steps_in_epoch)
    if live is None or live.spec.mode != run_pb2.MODE_TRAIN:
        return last
    ends = live.spec.max_steps
    possible = range(step + 1)
    found = bisect_left(possible, ends, key=lambda start: job.config.last_step(start, steps_in_epoch))
    return ends if found in possible and job.config.last_step(found, steps_in_epoch) == ends else last


def _params_in_force(job: Job) -> Path:
    return job.model_dir / job.mode / f"params_{job.mode}.yaml"
