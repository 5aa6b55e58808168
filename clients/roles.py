"""Which task of a job this process is: from what a launcher says in flags or in the environment. Pure functions.

The first task is the job's chief, unless another process has been elected; all others are workers.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from wire.errors import InvalidInput

RANK, TASKS, SESSION = "WAFER_RANK", "WAFER_TASKS", "WAFER_SESSION"
"""Our own variables. They go before those of any launcher."""

WORKERS = "WAFER_WORKERS"
"""How many local workers a launcher wants, where the user does not say."""
TASK = "/"
"""Between the name of a session and that of one of its tasks, where tasks stand for election."""

_NAMELESS = "none"
"""What torchrun calls a start whose name nobody has given: it tells no start from another."""

FIRST_PORT = 9010
_APART = 2


@dataclass(frozen=True, slots=True)
class Place:
    """The place of a process among the tasks of its job.

    rank: from 0. tasks: how many there are, None where nobody says. session: a name that all tasks of this start
    share, "" where nobody gives one. said_by: who said so, for people.
    """

    rank: int = 0
    tasks: int | None = 1
    session: str = ""
    said_by: str = "nobody"

    @property
    def is_chief(self) -> bool:
        """Whether this is the first task."""
        return self.rank == 0

    def candidate(self, process: str) -> str:
        """The name of a process among the tasks of its session; "" for a task that is the only one."""
        return f"{self.session}{TASK}{process}" if self.session or self.tasks != 1 else ""


@dataclass(frozen=True, slots=True)
class _Launcher:
    """The variables of a launcher. session: those that together name one start of it; all of them or none.

    restarts: counts the starts of the same name; not there, or 0, at the first one.
    """

    name: str
    rank: str
    tasks: str
    session: tuple[str, ...] = ()
    tasks_needed: bool = True
    restarts: str = ""


_LAUNCHERS = (
    _Launcher("WAFER_RANK", RANK, TASKS, (SESSION,), tasks_needed=False),
    _Launcher("torchrun", "RANK", "WORLD_SIZE", ("TORCHELASTIC_RUN_ID",), restarts="TORCHELASTIC_RESTART_COUNT"),
    _Launcher(
        "Slurm",
        "SLURM_PROCID",
        "SLURM_STEP_NUM_TASKS",
        ("SLURM_JOB_ID", "SLURM_STEP_ID"),
        restarts="SLURM_RESTART_COUNT",
    ),
    _Launcher("OpenMPI", "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", ("PMIX_NAMESPACE",)),
    _Launcher("PMI", "PMI_RANK", "PMI_SIZE", ("PMI_JOBID",)),
    _Launcher(
        "Kubernetes",
        "JOB_COMPLETION_INDEX",
        TASKS,
        ("JOB_NAME",),
        tasks_needed=False,
        restarts="JOBSET_RESTART_ATTEMPT",
    ),
)
"""In the order in which they are asked. Slurm sets SLURM_PROCID in a batch script too, where there is no step."""


def place_of(environment: Mapping[str, str]) -> Place:
    """The place that our own variables give, else TF_CONFIG, torchrun, Slurm, OpenMPI, PMI, Kubernetes.

    Raises InvalidInput, naming the variable, for what is no number or no place among the tasks.
    """
    ours, *others = _LAUNCHERS
    for launcher in (ours, None, *others):
        found = _from_tf_config(environment) if launcher is None else _from_launcher(launcher, environment)
        if found is not None:
            return _sound(found)
    return Place(session=environment.get(SESSION, ""))


def explicit(rank: int | None, tasks: int | None) -> dict[str, str]:
    """What a command line says, as variables, which go before all others. Raises InvalidInput for no place."""
    if rank is None:
        if tasks is not None:
            raise InvalidInput("--num_tasks says nothing without --task_rank", where="command line", fix="give both")
        return {}
    _sound(Place(rank, tasks, "", "the command line"))
    return {RANK: str(rank)} | ({} if tasks is None else {TASKS: str(tasks)})


def local_workers(environment: Mapping[str, str]) -> int | None:
    """How many local workers a launcher wants; None where it does not say. Raises InvalidInput."""
    return _number(WORKERS, environment)


def workers_of(environment: Mapping[str, str]) -> int:
    """How many workers a launcher has started beside the chief, or wants; else 0. Raises InvalidInput."""
    return max((place_of(environment).tasks or 1) - 1, local_workers(environment) or 0)


def tf_config(place: Place, host: str = "localhost") -> dict[str, Any]:
    """What TF_CONFIG says to user code that reads it; empty for a single task.

    host: of every task, where nobody knows better: nothing listens there, since data goes to the system's own ports.
    """
    if place.tasks is None or place.tasks < 2:
        return {}
    addresses = [f"{host}:{FIRST_PORT + _APART * task}" for task in range(place.tasks)]
    kind, index = ("chief", 0) if place.is_chief else ("worker", place.rank - 1)
    return {"cluster": {"chief": addresses[:1], "worker": addresses[1:]}, "task": {"type": kind, "index": index}}


def _from_launcher(launcher: _Launcher, environment: Mapping[str, str]) -> Place | None:
    rank = _number(launcher.rank, environment)
    tasks = _number(launcher.tasks, environment)
    if rank is None or (tasks is None and launcher.tasks_needed):
        return None
    return Place(rank, tasks, _session(launcher, environment), launcher.name)


def _session(launcher: _Launcher, environment: Mapping[str, str]) -> str:
    parts = [environment.get(name, "") for name in launcher.session]
    if SESSION in environment or not parts or not all(part and part != _NAMELESS for part in parts):
        return environment.get(SESSION, "")
    again = environment.get(launcher.restarts, "0")
    return ".".join([launcher.name.lower(), *parts, *([again] if again != "0" else [])])


def _from_tf_config(environment: Mapping[str, str]) -> Place | None:
    text = environment.get("TF_CONFIG")
    if not text:
        return None
    try:
        config = json.loads(text)
        task, cluster = config.get("task", {}), config.get("cluster", {})
        if "index" not in task:
            return None
        rank = int(task["index"]) + (1 if task.get("type") == "worker" and (not cluster or "chief" in cluster) else 0)
        tasks = sum(len(cluster.get(kind, ())) for kind in ("chief", "worker")) or None
    except (ValueError, AttributeError, TypeError) as error:
        what = f"TF_CONFIG is no JSON of a task: {error}"
        raise InvalidInput(what, where="TF_CONFIG", fix="unset it, or mend it") from error
    sessions = (_session(each, environment) for each in _LAUNCHERS if each.rank in environment)
    return Place(rank, tasks, next(filter(None, sessions), ""), "TF_CONFIG")


def _number(name: str, environment: Mapping[str, str]) -> int | None:
    text = environment.get(name, "")
    if not text:
        return None
    if not text.isdecimal():
        raise InvalidInput(f"{name} is {text!r}, no number", where=name, fix="unset it, or mend it")
    return int(text)


def _sound(place: Place) -> Place:
    if place.rank < 0 or (place.tasks is not None and place.rank >= place.tasks):
        what = f"{place.said_by} says that this is task {place.rank} of {place.tasks}; they are counted from 0"
        raise InvalidInput(what, where=place.said_by, fix="mend the rank or the number of tasks")
    return place
