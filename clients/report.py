"""The end of a run: a table for people, performance.json for programs, TensorBoard events for later."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.table import Table

from wafer_sim.verdict import Verdict, judge
from wire.v1 import run_pb2

CLOCK_HERTZ = 850e6
PREPARE, WIRE, UNATTRIBUTED = "prepare", "wire", "unattributed"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a finished run says of itself. Times in seconds, rates in samples per second."""

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

    @classmethod
    def of(cls, mode: str, finished: run_pb2.Finished, compile_seconds: float) -> Outcome:
        progress = finished.progress
        stalls = {stall.seam: stall.seconds for stall in progress.stalls}
        workers = {seam.worker for seam in finished.seams if seam.worker}
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
            judge(progress.utilisation, stalls, len(workers)),
            finished.stopped,
            finished.programming_seconds,
            compile_seconds,
            _worker_rates(finished, progress),
        )


def _worker_rates(finished: run_pb2.Finished, progress: run_pb2.Progress) -> dict[str, float]:
    """Samples per second that each worker gave, from its share of the batches."""
    batches: dict[str, int] = {}
    for seam in finished.seams:
        if seam.name == "prefetch" and seam.worker:
            batches[seam.worker] = batches.get(seam.worker, 0) + seam.items
    total = sum(batches.values())
    return {worker: progress.samples_per_second * count / total for worker, count in batches.items() if total}


def print_table(outcome: Outcome, console: Console | None = None) -> None:
    """The table at the end of a run, on standard output."""
    table = Table(title=f"{outcome.mode} on the wafer", show_header=False, title_justify="left")
    for name, text in _rows(outcome):
        table.add_row(name, text)
    (console or Console()).print(table)


def _rows(outcome: Outcome) -> list[tuple[str, str]]:
    rows = [
        ("step", f"{outcome.step:,}"),
        ("samples", f"{outcome.samples:,}"),
        ("seconds (first steps excluded)", f"{outcome.seconds:.2f}"),
        ("samples/s", f"{outcome.rate:,.0f}"),
        ("AU", f"{outcome.verdict.utilisation:.3f}"),
        ("stall", f"{outcome.stall_seconds:.2f} s"),
    ]
    rows += [(f"  {seam}", f"{seconds:.2f} s") for seam, seconds in outcome.stalls.items()]
    if math.isfinite(outcome.loss):
        rows.append(("loss", f"{outcome.loss:.5f}"))
    rows += [(name, f"{value:.5f}") for name, value in outcome.metrics.items()]
    rows += [("verdict", outcome.verdict.sentence)]
    return rows


def performance_path(model_dir: Path, mode: str) -> Path:
    """Where the figures of a mode are: model_dir/performance.json for training, model_dir/eval/... for the others."""
    return (model_dir if mode == "train" else model_dir / mode) / "performance.json"


def write_performance(outcome: Outcome, model_dir: Path) -> Path:
    """performance.json as CSoft leaves it. What only a compiled fabric could know is null until there is one."""
    data: dict[str, Any] = {
        "total_time": outcome.seconds,
        "samples_per_sec": outcome.rate,
        "est_samples_per_sec": None,
        "total_samples": outcome.samples,
        "fabric_cores": None,
        "fabric_utilization": None,
        "delta_t": None,
        "Frequency": CLOCK_HERTZ,
        "compile_time": outcome.compile_seconds,
        "programming_time": outcome.programming_seconds,
        "ordinals": dict(outcome.worker_rates),
        "suspected_input_bottleneck (beta)": not outcome.verdict.keeps_up,
        "accelerator_utilization": outcome.verdict.utilisation,
        "stall_seconds": outcome.stall_seconds,
        "stall_by_seam": dict(outcome.stalls),
        "verdict": outcome.verdict.sentence,
        "metrics": dict(outcome.metrics),
        "loss": outcome.loss if math.isfinite(outcome.loss) else None,
    }
    path = performance_path(model_dir, outcome.mode)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".json.new")
    temporary.write_text(json.dumps(data, indent=2) + "\n")
    temporary.replace(path)
    return path


class Summaries:
    """TensorBoard events for loss, rate, stall and learning rate, under model_dir/<mode>."""

    def __init__(self, model_dir: Path, mode: str) -> None:
        from tensorboardX import SummaryWriter

        self._writer = SummaryWriter(str(model_dir / mode))

    def __enter__(self) -> Summaries:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._writer.close()

    def add(self, progress: run_pb2.Progress) -> None:
        values = {
            "loss": progress.loss,
            "samples_per_second": progress.recent_samples_per_second,
            "stall_seconds": progress.stall_seconds,
            "utilisation": progress.utilisation,
            "learning_rate": progress.learning_rate,
        }
        for name, value in values.items():
            if math.isfinite(value):
                self._writer.add_scalar(name, value, progress.step)
