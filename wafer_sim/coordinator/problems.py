"""The problems that the coordinator itself finds, as people read them."""

from __future__ import annotations

import signal

from wafer_sim.coordinator.state import RunState, WorkerState
from wire.errors import Stopped
from wire.v1 import run_pb2

Problem = run_pb2.Problem


def shutting_down() -> Stopped:
    """What everybody who waits for something is told at the end."""
    return Stopped("the coordinator is shutting down", fix="start `wafer_sim serve` again and submit the run again")


def worker_failed(worker: WorkerState, stream: int, cause: Problem) -> Problem:
    """A worker cannot go on: who, with which stream, and why."""
    return Problem(
        kind=cause.kind or "Refused",
        what=f"worker {worker.name} cannot go on with stream {stream}: {cause.what}",
        where=cause.where or f"worker {worker.name}, stream {stream}",
        fix=cause.fix,
    )


def wafer_died(run: RunState, exit_code: int, last_lines: tuple[str, ...]) -> Problem:
    """A wafer process exited before its run had ended."""
    how = _how(exit_code)
    if run.cancelled:
        return Problem(kind="Stopped", what=f"cancelled; the wafer process {how} before it had said what it saved")
    return Problem(
        kind="Unreachable",
        what=f"the wafer process of {run.run_id} {how} before the run had ended",
        where="\n".join(("the end of what it wrote:", *last_lines)) if last_lines else "it wrote nothing",
        fix="look for the cause there; a run with the same model_dir goes on from the last checkpoint",
    )


def never_attached(run: RunState, seconds: float) -> Problem:
    """A wafer process was started and never spoke. seconds: how long it was waited for."""
    return Problem(
        kind="Unreachable",
        what=f"the wafer process of {run.run_id} said nothing within {seconds:g} s of its start",
        fix="look at the log of `wafer_sim serve` for what it wrote",
    )


def _how(exit_code: int) -> str:
    if exit_code >= 0:
        return f"ended with exit code {exit_code}"
    known = exit_code in {-number for number in signal.valid_signals()}
    return f"was killed by {signal.Signals(-exit_code).name if known else f'signal {-exit_code}'}"
