"""Life and death of wafer processes: pure functions."""

from __future__ import annotations

import signal

from wafer_sim.coordinator.state import RunState
from wire.v1 import run_pb2


def restart_phase(run: RunState, how: str) -> str:
    """What is said when a wafer process has died and the next one is started. how: see `how_it_ended`.

    The process itself finds the run's newest whole checkpoint: the one before may have saved without being heard.
    """
    return f"the wafer process {how}; starting it again from {_place(run)}"


def turn_phase(run: RunState) -> str:
    """What is said when a run has its turn; where an earlier coordinator had started it, it goes on."""
    if not run.incarnation:
        return "starting the wafer process"
    return f"the coordinator was started again; starting the wafer process from {_place(run)}"


def _place(run: RunState) -> str:
    return f"step {run.saved.step:,}" if run.saved is not None else "where the run began"


def how_it_ended(exit_code: int) -> str:
    """As one says it of a process: "was killed by SIGKILL", "ended with exit code 3"."""
    if exit_code >= 0:
        return f"ended with exit code {exit_code}"
    known = exit_code in {-number for number in signal.valid_signals()}
    return f"was killed by {signal.Signals(-exit_code).name if known else f'signal {-exit_code}'}"


def gains(run: RunState, event: run_pb2.RunEvent) -> bool:
    """Whether this word of a wafer process shows that its run got further than it ever was."""
    return event.HasField("saved") or event.progress.step > run.furthest
