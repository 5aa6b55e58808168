"""`cbtorch.Session`: within it the user's loop is driven by a run on the system; in a worker it streams instead."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from types import TracebackType
from typing import Any

import numpy as np
import torch

from clients import wafer_loop
from clients.captured import Captured
from clients.job import Job
from clients.report import Outcome
from clients.session import Session as Leading
from clients.working import host, stay_chief, work_unless_chief
from compat.pytorch import jobs, succession
from compat.pytorch.jobs import WORKS_FOR, Environment
from compat.pytorch.loop import Loop
from compat.pytorch.modes import EVAL, TRAIN
from compat.pytorch.wafer_run import WaferRun
from streamer.pipeline import loader_input
from wafer_sim import checkpoints
from wafer_sim.checkpoints import Checkpoint
from wire.errors import Refused
from wire.v1.coordinator_pb2 import RunStatus

log = logging.getLogger("clients")


class Session:
    """A run of the system for the loop inside it. loader: of `cbtorch.dataloader`. mode: "train" or "eval".

    In a worker's process nothing inside it is reached: its streams are hosted until the run is over, and the process
    ends with 0. Only where the chief is gone one of them goes on: its loop makes all steps again, and is told what
    the run said of those that it has made. Raises Faults: what ended the run, and what the system will not do.
    """

    def __init__(self, loop: Loop, environment: Environment, loader: Any, mode: str) -> None:
        self._loop, self._environment = loop, environment
        self._loader = getattr(loader, "_loader", loader)
        self._mode = mode
        self._leading: Leading | None = None
        self._succeeds = False
        self.run: WaferRun | None = None

    def __enter__(self) -> Session:
        if self._mode not in (TRAIN, EVAL):
            raise Refused(f"mode {self._mode!r} is none of the system's", where="Session", fix="use train or eval")
        if WORKS_FOR in os.environ:
            coordinator, _, session = os.environ[WORKS_FOR].partition(" ")
            sys.exit(host(coordinator, session, lambda _: loader_input(self._loader), exit_with_parent=True))
        self._work_unless_chief()
        self._loop.mode, self._loop.loader = self._mode, self._loader
        self._loop.start = self._start
        return self

    def _work_unless_chief(self) -> None:
        address = self._environment.cs_ip
        job = succession.election(self._environment.folder, self._mode)
        self._succeeds = work_unless_chief(address, job, lambda _: loader_input(self._loader))
        if self._succeeds:
            succession.speak()
        if address and job:
            self._leading = stay_chief(address, job)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        driver, self._loop.start, self._loop.driver = self._loop.driver, None, None
        try:
            if self.run is not None:
                self.run.end(stop=kind is not None or self._left_early)
            if driver is not None and kind is None:
                driver.leave(self._loop.run_step)
        finally:
            if self._leading is not None:
                self._leading.close()

    def outcome(self) -> Outcome | None:
        """How the run ended; waits for it where the loop has made its last step."""
        return None if self.run is None or self._left_early else self.run.end()

    @property
    def _left_early(self) -> bool:
        return self._loop.run_step < self._loop.total_steps

    def _start(self) -> Driver:
        left = self._left_behind()
        job = jobs.job_of(self._loop, self._environment, left)
        if self._mode == EVAL:
            job = self._anew(job, left)
        made = jobs.captured(self._loop, job)
        first = made.begin()[0]
        run = self.run = WaferRun(job.model_dir, first, succeeds=job.succeeds)

        def begun(interrupt: Callable[[], None]) -> None:
            run.begun(interrupt)
            if job.on_begun is not None:
                job.on_begun(interrupt)

        hooks = replace(job, on_progress=run.advanced, on_saved=run.saved, on_observed=run.observed, on_begun=begun)

        def capture(replicas: int | None) -> Captured:
            same = replicas is None or replicas == made.plan.replicas
            return made if same else jobs.captured(self._loop, job, replicas)

        if self._mode == TRAIN:
            run.start(lambda: wafer_loop.train(capture, hooks))
        else:
            checkpoints.write(job.model_dir, Checkpoint(first, jobs.state_of(self._loop, 0)))
            run.start(lambda: wafer_loop.evaluate(capture, hooks))
        return Driver(self._loop, run, job)

    def _left_behind(self) -> RunStatus | None:
        if self._leading is None:
            return None
        folder = self._environment.folder
        left = succession.left_behind(self._leading, folder, self._mode, ended=self._succeeds)
        if left is not None:
            log.info("The loop goes on with %s, which is at step %d", left.run_id, left.progress.step)
        return left

    def _anew(self, job: Job, left: RunStatus | None) -> Job:
        """What an evaluation has seen is not kept: it begins again, in the place of the one that is left behind.

        It has a worker of its own, since the others leave when that one ends before there is another run.
        """
        leading = self._leading
        if left is None or leading is None:
            return job
        config = job.config.model_copy(update={"num_workers": 1})
        return replace(job, config=config, on_begun=lambda _: leading.cancel(left.run_id))


class Driver:
    """What the loop is told of a run. Steps are those of the loop.

    is_taken: the state of the settled step went to the chief before this one, whose loop was done with it.
    """

    def __init__(self, loop: Loop, run: WaferRun, job: Job) -> None:
        self._loop, self._run, self._job = loop, run, job
        self._settled = 0
        self.is_taken = False

    def loss(self, step: int) -> float:
        if self._job.mode == EVAL:
            return float(self._seen(step)["loss"])
        return self._run.loss(self._run.first + step)

    def values(self, step: int) -> Any:
        return {name: torch.as_tensor(np.array(array)) for name, array in self._seen(step).items()}

    def settle(self, step: int) -> None:
        """Raises Stopped where the run ended without the state of this step."""
        if self._job.mode == EVAL or step == self._settled or not self._loop.is_saved:
            return
        checkpoint = self._run.checkpoint(self._run.first + step)
        self.is_taken = checkpoint is None
        if checkpoint is not None:
            _hold(self._loop, checkpoint)
        self._settled = step

    def leave(self, step: int) -> None:
        if self._job.mode != EVAL:
            self._run.left(self._run.first + step)

    @property
    def is_settled(self) -> bool:
        """Whether the host holds what the system has now."""
        return self._job.mode == EVAL or self._settled == self._loop.run_step

    def _seen(self, step: int) -> Any:
        if self._step != step:
            self._step, self._values = step, self._run.values(step)
        return self._values

    _step = 0
    _values: Any = None


def _hold(loop: Loop, checkpoint: Checkpoint) -> None:
    """The user's module and optimizer get the system's state."""
    names = jobs.names_of(loop)
    tensors = {name: parameter for parameter, name in names.items()}
    tensors |= dict(loop.module.named_buffers()) if loop.module is not None else {}
    with torch.no_grad():
        for name, array in checkpoint.state.weights.items():
            tensors[name].copy_(torch.from_numpy(array.copy()))
        loop.optimizer.take(checkpoint.state.optimizer, names, checkpoint.step)
    loop.precision.state = {k: v for k, v in checkpoint.state.scalars.items() if k != "optimizer_type"}
