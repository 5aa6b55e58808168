"""Who is told of a worker that is gone: pure, but for what is kept in the state."""

from __future__ import annotations

from wafer_sim.coordinator.state import RunState, State
from wire.v1 import run_pb2


def concerned(state: State, session: str, *, hosted: bool = False) -> list[RunState]:
    """The live runs of a session, and the one on the wafer where the worker hosted streams of it."""
    active = state.active_run if hosted else None
    return [
        run
        for run in state.runs.values()
        if not run.ended and (run is active or (session and run.spec.session == session))
    ]


def keep(state: State, session: str, gone: run_pb2.WorkerGone, most: int) -> None:
    """Remember a task until its session has a run; the oldest are forgotten beyond `most`."""
    if not session:
        return
    kept = state.fallen.setdefault(session, [])
    kept.append(gone)
    del kept[:-most]
    while len(state.fallen) > most:
        del state.fallen[next(iter(state.fallen))]


def take(state: State, session: str) -> list[run_pb2.WorkerGone]:
    """What was kept of a session, which has a run now."""
    return state.fallen.pop(session, [])
