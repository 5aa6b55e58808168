"""The end of a run: a table for people, performance.json for programs, TensorBoard events for later."""

from __future__ import annotations

import json
import logging
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from clients.job import TRAIN, Job
from wafer_sim.fabric import machine
from wafer_sim.fabric.artefacts import performance
from wafer_sim.fabric.result import Estimate
from wafer_sim.figures import core_figures, seam_figures, timeline_figures, verdict_of, worker_rates
from wafer_sim.verdict import Verdict
from wire.core_use import busiest
from wire.errors import Exhausted
from wire.v1 import run_pb2

log = logging.getLogger("clients")

TELLING_SECONDS = 1.0
"""A shorter run says nothing about its input: prefetched batches and start-up are most of it."""


@dataclass(frozen=True, slots=True)
class Details:
    """What performance.json has beyond the table, see wafer_sim/figures.py. busy_seconds: of the steps themselves."""

    busy_seconds: float = 0.0
    seams: Mapping[str, Any] = field(default_factory=dict)
    machines: Sequence[Mapping[str, float]] = ()
    timeline: Mapping[str, Sequence[float]] = field(default_factory=dict)

    @classmethod
    def of(cls, finished: run_pb2.Finished) -> Details:
        progress = finished.progress
        return cls(
            progress.busy_seconds,
            seam_figures(finished.seams),
            core_figures(progress.cores),
            timeline_figures(finished.timeline),
        )


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a finished run says of itself. Times in seconds, rates in samples per second.

    skipped_steps: by loss scaling. loss_scale: of the next step; 0 where the loss is not scaled.
    """

    mode: str
    step: int
    samples: int
    seconds: float
    rate: float
    loss: float
    metrics: Mapping[str, float]
    stall_seconds: float
    stalls: Mapping[str, float]
    verdict: Verdict
    stopped: bool
    programming_seconds: float
    compile_seconds: float
    worker_rates: Mapping[str, float]
    skipped_steps: int = 0
    loss_scale: float = 0.0
    estimate: Estimate | None = None
    details: Details = field(default_factory=Details)

    @classmethod
    def of(
        cls, mode: str, finished: run_pb2.Finished, compile_seconds: float, estimate: Estimate | None = None
    ) -> Outcome:
        progress = finished.progress
        stalls = {stall.seam: stall.seconds for stall in progress.stalls}
        return cls(
            mode,
            progress.step,
            progress.samples,
            progress.seconds,
            progress.samples_per_second,
            progress.loss,
            dict(finished.metrics),
            progress.stall_seconds,
            stalls,
            verdict_of(progress, finished.seams),
            finished.stopped,
            finished.programming_seconds,
            compile_seconds,
            worker_rates(progress.samples_per_second, finished.seams),
            progress.skipped_steps,
            progress.loss_scale,
            estimate,
            Details.of(finished),
        )

    @property
    def tells(self) -> bool:
        """Whether the run was long enough to say whether its input kept up."""
        return self.seconds >= TELLING_SECONDS

    @property
    def conclusion(self) -> str:
        """The verdict in a sentence, or why there is none."""
        if self.tells:
            return self.verdict.sentence
        return f"too short to say whether the input keeps up ({self.seconds:.2f} s were measured)"


def print_table(outcome: Outcome, console: Console | None = None) -> None:
    """The table at the end of a run, on standard output."""
    title = "Training on the wafer" if outcome.mode == TRAIN else "Evaluation on the wafer"
    table = Table(title=title, title_justify="left", show_header=False, box=SIMPLE_HEAD, show_edge=True)
    table.add_column()
    table.add_column(justify="right")
    table.add_column(style="dim")
    for row in _rows(outcome):
        table.add_row(*row)
    console = console or Console(highlight=False)
    console.print(table)
    console.print(Text(f" {_sentence(outcome.conclusion)}\n"))


def _rows(outcome: Outcome) -> list[tuple[str, str, str]]:
    training = outcome.mode == TRAIN
    rows = [
        ("step" if training else "batches", f"{outcome.step:,}", ""),
        ("samples", f"{outcome.samples:,}", ""),
        ("time", f"{outcome.seconds:.2f}", "s, without warm-up"),
        ("rate", f"{outcome.rate:,.0f}", "samples/s"),
        *_estimated(outcome),
        ("AU", f"{outcome.verdict.utilisation:.3f}", "busy time / time"),
        ("stall", f"{outcome.stall_seconds:.2f}", "s"),
    ]
    rows += [(f"  {seam}", f"{seconds:.2f}", "s") for seam, seconds in outcome.stalls.items()]
    if math.isfinite(outcome.loss):
        rows.append(("loss", f"{outcome.loss:.5f}", "of the last step" if training else "average"))
    if outcome.loss_scale:
        rows.append(("skipped steps", f"{outcome.skipped_steps:,}", f"loss scale {outcome.loss_scale:g}"))
    rows += [(name, f"{value:.5f}", "") for name, value in outcome.metrics.items()]
    return rows


def _estimated(outcome: Outcome) -> list[tuple[str, str, str]]:
    if outcome.estimate is None:
        return []
    several = f", {outcome.estimate.replicas} replicas" if outcome.estimate.replicas > 1 else ""
    return [("estimate", f"{outcome.estimate.samples_per_second:,.0f}", f"samples/s on the real machine{several}")]


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def conclude(job: Job, outcome: Outcome, checkpoint_step: int = 0) -> None:
    """Table, performance.json and last words. checkpoint_step: the step of what was evaluated."""
    print_table(outcome)
    write_performance(outcome, job.model_dir)
    training, words = job.mode == TRAIN, logging.getLogger(job.wording.logger)
    for line in job.wording.trained(outcome) if training else job.wording.evaluated(outcome, checkpoint_step):
        words.info("%s", line)
    if job.config.save_losses and not training:
        with Summaries(job.model_dir, job.mode) as summaries:
            summaries.add_values({"loss": outcome.loss, **outcome.metrics}, checkpoint_step)


def performance_path(model_dir: Path, mode: str) -> Path:
    """Where the figures of a mode are: model_dir/performance.json for training, model_dir/eval/... for the others."""
    return (model_dir if mode == "train" else model_dir / mode) / "performance.json"


def write_performance(outcome: Outcome, model_dir: Path) -> Path:
    """performance.json as CSoft leaves it. What the estimate says is null where there is none.

    Raises Exhausted when the disk is full.
    """
    data: dict[str, Any] = {
        "total_time": outcome.seconds,
        "samples_per_sec": outcome.rate,
        "total_samples": outcome.samples,
        **dict.fromkeys(("est_samples_per_sec", "fabric_cores", "fabric_utilization", "delta_t")),
        "Frequency": machine.load().clock_hertz,
        **(performance(outcome.estimate) if outcome.estimate is not None else {}),
        "compile_time": outcome.compile_seconds,
        "programming_time": outcome.programming_seconds,
        "ordinals": dict(outcome.worker_rates),
        "suspected_input_bottleneck (beta)": not outcome.verdict.keeps_up if outcome.tells else None,
        "accelerator_utilization": outcome.verdict.utilisation,
        "stall_seconds": outcome.stall_seconds,
        "stall_by_seam": dict(outcome.stalls),
        "busy_seconds": outcome.details.busy_seconds,
        "workers": len(outcome.worker_rates),
        "workers_needed": outcome.verdict.workers if outcome.tells else None,
        "cores_are_the_limit": outcome.verdict.cores_limit if outcome.tells else None,
        "machines": list(outcome.details.machines),
        "seams": dict(outcome.details.seams),
        "timeline": dict(outcome.details.timeline),
        "verdict": outcome.conclusion,
        "metrics": {name: _number(value) for name, value in outcome.metrics.items()},
        "loss": _number(outcome.loss),
        "skipped_steps": outcome.skipped_steps,
        "loss_scale": outcome.loss_scale or None,
    }
    path = performance_path(model_dir, outcome.mode)
    temporary = path.with_suffix(".json.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(json.dumps(data, indent=2, allow_nan=False) + "\n")
        temporary.replace(path)
    except OSError as error:
        what = f"the figures of the run cannot be written: {error.strerror}"
        raise Exhausted(what, where=str(path), fix="the checkpoints are there; make room and run it again") from error
    return path


def _number(value: float) -> float | None:
    """JSON knows no nan."""
    return value if math.isfinite(value) else None


def _event_writer(folder: Path) -> Any:
    """A tensorboardX writer. It would load torch for a name of it, which a run in another framework does without."""
    kept_out = {} if "torch" in sys.modules else {"torch": None}
    sys.modules.update(kept_out)  # type: ignore[arg-type] # None is what makes an import fail
    try:
        from tensorboardX import SummaryWriter
    finally:
        for name in kept_out:
            del sys.modules[name]
    return SummaryWriter(str(folder))


class Summaries:
    """TensorBoard events for loss, rates, utilisation, stall, who is to blame, and learning rate: model_dir/<mode>."""

    def __init__(self, model_dir: Path, mode: str) -> None:
        self._writer = _event_writer(model_dir / mode)
        self._step: int | None = None

    def __enter__(self) -> Summaries:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._writer.close()

    def add(self, progress: run_pb2.Progress) -> None:
        """A training run's progress, at its step; a step that was there already is left out."""
        if progress.step == self._step:
            return
        self._step = progress.step
        values = {
            "loss": progress.loss,
            "samples_per_second": progress.recent_samples_per_second,
            "stall_seconds": progress.stall_seconds,
            "utilisation": progress.utilisation,
            "learning_rate": progress.learning_rate,
            "mean_samples_per_second": progress.samples_per_second,
            "cores_busy": busiest(progress.cores).busy,
            **{f"stall/{stall.seam}": stall.seconds for stall in progress.stalls},
            **({"loss_scale": progress.loss_scale} if progress.loss_scale else {}),
        }
        self.add_values(values, progress.step)

    def add_values(self, values: Mapping[str, float], step: int) -> None:
        for name, value in values.items():
            if math.isfinite(value):
                self._writer.add_scalar(name, value, step)
