"""Training: steps, commits, checkpoints."""

from __future__ import annotations

import threading
import time
from contextlib import closing
from pathlib import Path

from wafer_sim import checkpoints
from wafer_sim.checkpoints import Checkpoint
from wafer_sim.compiler.training import OptimizerSpec
from wafer_sim.losses import LossLog
from wafer_sim.meter import Meter
from wafer_sim.replicas import Replicas
from wafer_sim.run.board import Board, position_message, progress_message, timeline_message
from wafer_sim.run.fabric import Compute, Drain, Fabric, NotFinite
from wafer_sim.run.feed import Feed, StepInput
from wafer_sim.run.measured import measured
from wafer_sim.run.skips import Skips
from wafer_sim.runtime.protocol import Executor
from wafer_sim.runtime.schedules import Rate, learning_rate
from wire.errors import InvalidInput
from wire.seam import SeamClosed
from wire.v1 import run_pb2


class Training:
    """Takes steps until max_steps; a step is committed when the weights have it, and only then acked.

    A step of the input takes one batch for each replica; it is trained on, or passed over where the spec says so.
    """

    def __init__(
        self, spec: run_pb2.RunSpec, executor: Executor, feed: Feed, board: Board, checkpoint: Checkpoint
    ) -> None:
        self._spec = spec
        self._executor = executor
        self._feed = feed
        self._board = board
        self.step = self._saved_step = 0 if spec.fresh_start else checkpoint.step
        self._loss = float("nan")
        self._losses = LossLog(Path(spec.model_dir))
        self._rate = _rate(spec.optimizer)
        self._skips = Skips((each.first, each.last) for each in spec.skip)
        self._meter = Meter(time.perf_counter())
        self._measured = measured(feed, board)
        self.stop_asked = threading.Event()
        self.programming_seconds = 0.0

    def run(self) -> None:
        """Raises SeamClosed when stopped while waiting, Unreachable for a late stream, InvalidInput for a bad step."""
        with closing(self._losses):
            self._run()

    def _run(self) -> None:
        if self._spec.fabric == run_pb2.FABRIC_DRAIN:
            self._take_steps(Drain(self._spec.drain_rate, self.stop_asked, self._feed.land_next))
            return
        with Replicas(self._executor, self._spec.data.replicas, seed=self._spec.seed) as replicas:
            check, every = self._spec.check_loss_values, self._spec.summary_steps
            self._take_steps(Compute(replicas, check=check, every=every, tell=self._board.observed))

    def end(self) -> None:
        """Save what is not saved and say that the run has finished, or was stopped. Raises Exhausted."""
        self._save()
        self._measured.forget()
        seams = [*self._board.seams(), *self._feed.seams()]
        self._board.finished(
            run_pb2.Finished(
                progress=self._progress(),
                programming_seconds=self.programming_seconds,
                seams=seams,
                stopped=self.step < self._spec.max_steps,
                timeline=timeline_message(self._meter),
            )
        )

    @property
    def _synthetic(self) -> bool:
        return self._spec.fabric == run_pb2.FABRIC_SYNTHETIC

    def _take_steps(self, fabric: Fabric) -> None:
        taken: StepInput | None = None
        while self.step < self._spec.max_steps and not self.stop_asked.is_set():
            if taken is None:
                # Nothing is measured before the first batch is there, and synthetic steps take it again and again.
                taken = self._due()._replace(wait=0.0, came=0.0, late=0.0)
                self._begin()
                self._board.phase("running")
            elif not self._synthetic:
                taken = self._due()
            self._take_step(fabric, taken)

    def _due(self) -> StepInput:
        """The next batches to train on. Raises SeamClosed when told to stop."""
        while not self._synthetic and (passing := self._skips.around(self._feed.input_steps + 1)):
            self._pass_over(*passing)
        return self._taken()

    def _pass_over(self, first: int, last: int) -> None:
        begun = time.perf_counter()
        while self._feed.input_steps < last:
            if self.stop_asked.is_set():
                raise SeamClosed("told to stop")
            taken = self._taken()
            self._board.phase(f"passing over input steps {first:,}..{last:,}")
            self._feed.commit(taken, self.step, skipped=True)
            if self._board.due():
                self._board.progress(self._progress())
        self._meter.pause(time.perf_counter() - begun)
        self._board.phase("running")

    def _taken(self) -> StepInput:
        taken = self._feed.take()
        if taken is None:
            raise InvalidInput(
                f"the input ended after step {self.step} of {self._spec.max_steps}",
                fix="repeat the dataset, or lower max_steps",
            )
        return taken

    def _take_step(self, fabric: Fabric, taken: StepInput) -> None:
        try:
            self._loss = fabric.step(taken, self.step)
        except NotFinite as error:
            raise self._not_finite(taken, error.args[0]) from error
        self.step += 1
        if not self._synthetic:
            self._feed.commit(taken, self.step)
        stall = fabric.stall(taken)
        self._meter.step(time.perf_counter(), taken.rows, stall, min(stall, taken.late))
        self._tell()
        if self._is_due(self._spec.checkpoint_steps):
            self._save()

    def _is_due(self, every: int) -> bool:
        """Whether this step is one of every so many; 0: none is."""
        made = self.step - self._spec.counted_from
        return every > 0 and made > 0 and made % every == 0

    @property
    def _computes(self) -> bool:
        return self._spec.fabric == run_pb2.FABRIC_COMPUTE

    def _tell(self) -> None:
        logged = self._is_due(self._spec.log_steps)
        if logged and self._computes:
            self._losses.add(self.step, self._loss)  # before anybody hears that this step is made
        if logged or self._board.due():
            self._meter.lap()
            self._board.progress(self._progress())

    def _begin(self) -> None:
        """What is measured begins now."""
        self._meter = Meter(time.perf_counter())
        self._board.machines.begin()
        self._measured.forget()

    def _progress(self) -> run_pb2.Progress:
        reading = self._meter.reading()
        progress = progress_message(reading, self.step, self._spec.max_steps, self._loss)
        progress.stalls.extend(self._board.stalls(reading.stall_seconds, reading.late_seconds))
        self._measured().told(progress)
        progress.streams.extend(position_message(p) for p in self._feed.ledger.positions.values())
        if self._rate is not None:
            progress.learning_rate = self._rate(max(0, self.step - 1))
        if (scaling := self._executor.loss_scale) is not None:
            progress.loss_scale, progress.skipped_steps = scaling.scale, scaling.skipped
        return progress

    def _save(self) -> None:
        if self._saved_step == self.step or not self._computes:
            return
        begun = time.perf_counter()
        self._losses.sync()
        checkpoint = Checkpoint(
            step=self.step,
            state=self._executor.state(),
            streams=tuple(self._feed.ledger.positions.values()),
            accounts=self._feed.ledger.accounts,
            seed=self._spec.seed,
            data=_plan_record(self._spec.data),
            executable=self._executor.program.digest(),
            run=self._board.run_id,
        )
        path = checkpoints.write(Path(self._spec.model_dir), checkpoint, keep=self._spec.keep_checkpoint_max)
        self._saved_step = self.step
        self._meter.pause(time.perf_counter() - begun)
        self._board.saved(self.step, str(path))

    def _not_finite(self, taken: StepInput, loss: float) -> InvalidInput:
        cursors = ", ".join(str(batch.cursor) for batch in taken.taken)
        due = self._feed.input_steps + 1
        return InvalidInput(
            f"the loss of step {self.step + 1} is {loss}; the weights were not changed by it",
            where=cursors,
            fix=f"lower the learning rate, look at the data, or pass over this step of the input with "
            f"runconfig.skip: {due}; the last good checkpoint in {self._spec.model_dir} is of step {self._saved_step}",
        )


def _rate(optimizer: str) -> Rate | None:
    """The learning rate of each step; None for a program that holds its own optimizer."""
    if not optimizer:
        return None
    spec = OptimizerSpec.model_validate_json(optimizer)
    return learning_rate(spec.learning_rate, keep_counting=spec.disable_lr_steps_reset)


def _plan_record(plan: run_pb2.DataPlan) -> dict[str, int | bool]:
    return {
        "streams": plan.streams,
        "replicas": plan.replicas,
        "batch_size": plan.batch_size,
        "rows": plan.rows,
        "seed": plan.seed,
        "shuffle": plan.shuffle,
        "drop_remainder": plan.drop_remainder,
    }
