"""The problems that the coordinator itself finds, as people read them."""

from __future__ import annotations

from wafer_sim.coordinator.state import RunState, WorkerState
from wire.errors import Refused, Stopped
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


def died_cancelled(how: str) -> Problem:
    """A wafer process that was to save and stop exited without a word. how: see wafers.how_it_ended."""
    return Problem(kind="Stopped", what=f"cancelled; the wafer process {how} before it had said what it saved")


def died_too_often(run: RunState, how: str, last_lines: tuple[str, ...]) -> Problem:
    """One wafer process of a run after the other died, and nothing was gained. how: of the last one."""
    return Problem(
        kind="Unreachable",
        what=f"the wafer process of {run.run_id} {how}; it died {run.deaths} times without getting further",
        where="\n".join(("the end of what it wrote:", *last_lines)) if last_lines else "it wrote nothing",
        fix="look for the cause there; a run with the same model_dir goes on from the last checkpoint",
    )


def never_attached(seconds: float) -> str:
    """Of a wafer process that was started and never spoke. seconds: how long it was waited for."""
    return f"said nothing within {seconds:g} s of its start and was ended"


def another_spec(run: RunState, fields: list[str]) -> Refused:
    """A run of this model_dir lives, and is not the one that was submitted. fields: of the spec, that differ."""
    return Refused(
        f"run {run.run_id} is writing this model_dir, and was started with other params: {', '.join(fields)}",
        where=run.spec.model_dir,
        fix=f"wait for its end, end it with `wafer_sim cancel {run.run_id}`, or give the same params to follow it",
    )


def another_chief(run: RunState) -> Refused:
    """A run of this model_dir lives, and so does the chief that follows it."""
    return Refused(
        f"run {run.run_id} is writing this model_dir, and its chief ({run.chief}) lives",
        where=run.spec.model_dir,
        fix=f"wait for its end, or end it with `wafer_sim cancel {run.run_id}`",
    )
