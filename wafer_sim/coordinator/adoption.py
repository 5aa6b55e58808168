"""Which run a submission is about when one of its model_dir lives already: pure functions."""

from __future__ import annotations

from wafer_sim.coordinator.state import RunState, State
from wire.v1 import run_pb2

# Who follows a run and where it started do not tell it from another.
_APART = frozenset({"session", "chief", "starts", "checkpoint", "fresh_start"})


def live_run(state: State, model_dir: str) -> RunState | None:
    """The run of this model_dir that has neither ended nor is to stop."""
    for run in state.runs.values():
        if run.spec.model_dir == model_dir and not run.ended and not run.cancelled:
            return run
    return None


def differences(one: run_pb2.RunSpec, other: run_pb2.RunSpec) -> list[str]:
    """The fields, by name, in which two specs are those of two runs."""
    if one == other:
        return []
    names = (field.name for field in run_pb2.RunSpec.DESCRIPTOR.fields if field.name not in _APART)
    return [name for name in names if getattr(one, name) != getattr(other, name)]


def with_session(spec: run_pb2.RunSpec, session: str, chief: str = "") -> run_pb2.RunSpec:
    """The same spec, of another session, or of another chief of it."""
    adopted = run_pb2.RunSpec()
    adopted.CopyFrom(spec)
    adopted.session, adopted.chief = session, chief
    return adopted
