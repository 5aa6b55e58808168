"""A loop goes on in another task when its chief is gone: the name that tasks stand under, and the run left behind."""

from __future__ import annotations

import logging
from pathlib import Path

from clients.session import Session, has_ended
from clients.working import here
from compat.pytorch.jobs import FOLDER
from compat.pytorch.modes import TRAIN
from wire.v1 import coordinator_pb2, run_pb2


def election(folder: Path, mode: str) -> str | None:
    """What the chief of a loop is chief of: known before its run has a folder. folder: the service_workdir, absolute.

    None where there is nobody to take its place: for the only task, and for tasks that do not know one another.
    """
    place = here()
    return str(folder / FOLDER / mode / place.session) if place.session and place.tasks != 1 else None


def speak() -> None:
    """Show what this task says from now on: code of that time silences tasks that are not the chief when it starts."""
    root = logging.getLogger()
    if root.level > logging.INFO:
        root.setLevel(logging.INFO)


def left_behind(session: Session, folder: Path, mode: str, *, ended: bool) -> coordinator_pb2.RunStatus | None:
    """The newest run of this loop that another task of the session was chief of. ended: also one that has ended."""
    kind = run_pb2.MODE_TRAIN if mode == TRAIN else run_pb2.MODE_EVAL
    of_loop = [
        run
        for run in session.runs()
        if run.spec.session == session.id
        and run.spec.mode == kind
        and Path(run.spec.model_dir).parent == folder / FOLDER
    ]
    newest = of_loop[-1] if of_loop else None
    if newest is None or not session.is_colleagues(newest) or (has_ended(newest) and not ended):
        return None
    return newest
