"""What a launcher starts: pure decisions, from its options, the command and the environment."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from clients.analysis.analyzer import ASKED
from clients.roles import WORKERS
from compat.launch.options import Words
from compat.start import WEIGHT_STREAMING, environment
from wire.errors import InvalidInput, NotFound

INTERPRETERS = ("python", "python3", "python-pt", "python-ws")
"""TensorFlow, PyTorch and weight streaming had an interpreter each; here one has all, and python-ws says the mode."""

ADDRESS = "CS_IP_ADDR"
"""Where the environment says where the system is."""

_NO_SYSTEM = ("--validate_only", "--compile_only")
_ONE_TASK = ("srun", "--nodes=1", "--ntasks=1")
_WHOLE_NODE = ("--cpu-bind=none",)
"""A step shares its processors with none anyway; `--exclusive` would imply `--exact`, which is one processor a task."""


@dataclass(frozen=True, slots=True)
class Plan:
    """command: what is started. environment: all of it. notes: what has no effect, and why; one sentence each.

    needs_system: nobody says where the system is, so that a private one is brought up, whose address goes to the end
    of the program's own words.
    """

    command: tuple[str, ...]
    environment: Mapping[str, str]
    notes: tuple[str, ...] = ()
    needs_system: bool = False


@dataclass(frozen=True, slots=True)
class _Around:
    """What the launcher finds. in_slurm: inside an allocation, and not in one of its steps."""

    variables: Mapping[str, str]
    folder: Path = field(default_factory=Path.cwd)

    @property
    def in_slurm(self) -> bool:
        return "SLURM_JOB_ID" in self.variables and "SLURM_STEP_NUM_TASKS" not in self.variables


def plan_cpu(words: Words, variables: Mapping[str, str], folder: Path) -> Plan:
    """One task that needs no system: csrun_cpu. Raises NotFound for a folder to be mounted that is not there."""
    around = _Around(variables, folder)
    _require_mounts(words)
    command, own = interpreted(words.command, variables)
    if not around.in_slurm:
        notes = ("--alloc-node has no effect outside of a Slurm allocation",) if words.flag("alloc_node") else ()
        return Plan(command, own, notes)
    whole = _WHOLE_NODE if words.flag("alloc_node") else ()
    return Plan((*_ONE_TASK, *whole, *command), own)


def plan_wse(words: Words, variables: Mapping[str, str], folder: Path) -> Plan:
    """The chief and its workers, with a system: csrun_wse.

    Raises NotFound for a folder to be mounted that is not there, and InvalidInput for numbers that cannot be, or a
    params file that cannot be read.
    """
    around = _Around(variables, folder)
    _require_mounts(words)
    alone = any(flag in words.command for flag in _NO_SYSTEM)
    command, own = interpreted(_with_address(words.command, around), variables)
    needs_system = not alone and not _says_where(command, folder)
    if alone:
        return Plan((*_ONE_TASK, *command) if around.in_slurm else command, own)
    if around.in_slurm:
        return Plan(slurm_command(words, command), own, (), needs_system)
    tasks = tasks_of(words)
    if tasks is not None:
        own = {**own, WORKERS: str(tasks - 1)}
    lost = [name for name in ("cpus_per_task", "cyclic") if name in words.options]
    notes = tuple(f"--{name.replace('_', '-')} has no effect outside of a Slurm allocation" for name in lost)
    return Plan(command, own, notes, needs_system)


def plan_analyzer(words: Words, variables: Mapping[str, str], folder: Path) -> Plan:
    """One task that validates or compiles, and then measures its input: cs_input_analyzer.

    Inside a Slurm allocation it has all processors that the job has on a node. Raises NotFound for a folder to be
    mounted that is not there.
    """
    _require_mounts(words)
    asked = words.command if any(flag in words.command for flag in _NO_SYSTEM) else (*words.command, _NO_SYSTEM[0])
    command, own = interpreted(asked, variables)
    own[ASKED] = str(words.count("available_nodes") or 1)
    if _Around(variables, folder).in_slurm:
        command = (*_ONE_TASK, *_WHOLE_NODE, *command)
    return Plan(command, own)


def tasks_of(words: Words) -> int | None:
    """The tasks of a run, the chief among them; None where no option says. Raises InvalidInput."""
    nodes, each, single = (words.count(name) for name in ("total_nodes", "tasks_per_node", "single_task_nodes"))
    if (nodes, each, single) == (None, None, None):
        return None
    nodes, single = nodes or 1, single or 0
    if single > nodes:
        what = f"--single-task-nodes {single} is more than all nodes ({nodes})"
        raise InvalidInput(what, where="command line", fix=f"lower it, or raise --total-nodes to {single}")
    return single + (nodes - single) * (each or 1)


def slurm_command(words: Words, command: Sequence[str]) -> tuple[str, ...]:
    """The srun of a run: heterogeneous where some nodes run one task only and others more."""
    shared = ["--distribution=cyclic"] if words.flag("cyclic") else []
    cpus = words.count("cpus_per_task")
    shared += [f"--cpus-per-task={cpus}"] if cpus is not None else []
    nodes, each, single = (words.count(name) for name in ("total_nodes", "tasks_per_node", "single_task_nodes"))
    tasks = tasks_of(words)
    begin = ("srun", "--kill-on-bad-exit")
    if tasks is None or nodes is None:
        count = [f"--ntasks={tasks}"] if tasks is not None else []
        return (*begin, *count, *shared, *command)
    many = nodes - (single or 0)
    if not single or not many or (each or 1) == 1:
        return (*begin, f"--nodes={nodes}", f"--ntasks={tasks}", *shared, *command)
    first = (*begin, f"--nodes={single}", f"--ntasks={single}", *shared, *command)
    rest = (f"--nodes={many}", f"--ntasks={many * (each or 1)}", f"--ntasks-per-node={each}", *shared, *command)
    return (*first, ":", *rest)


def interpreted(command: Sequence[str], variables: Mapping[str, str]) -> tuple[tuple[str, ...], dict[str, str]]:
    """The command with this Python where it names one of that time's, and the environment in which it runs."""
    own = environment(dict(variables))
    own["PATH"] = os.pathsep.join(filter(None, (str(Path(sys.executable).parent), variables.get("PATH", ""))))
    if command[0] == "python-ws":
        own[WEIGHT_STREAMING] = "1"
    first = sys.executable if command[0] in INTERPRETERS else command[0]
    return (first, *command[1:]), own


def _with_address(command: Sequence[str], around: _Around) -> tuple[str, ...]:
    """The command with the address that the environment gives, where it has none of its own."""
    given = around.variables.get(ADDRESS)
    has_one = any(word.partition("=")[0] in ("--cs_ip", "-cs") for word in command)
    return (
        (*command, "--cs_ip", given)
        if given and not has_one and not _says_where(command, around.folder)
        else (*command,)
    )


def _says_where(command: Sequence[str], folder: Path) -> bool:
    """Whether the words or the params file name the system. Raises NotFound and InvalidInput for that file."""
    if any(word.partition("=")[0] in ("--cs_ip", "-cs") for word in command):
        return True
    path = _params_file(command)
    return path is not None and bool(_runconfig(folder / path).get("cs_ip"))


def _params_file(command: Sequence[str]) -> str | None:
    for place, word in enumerate(command):
        name, _, value = word.partition("=")
        if name in ("-p", "--params"):
            return value or next(iter(command[place + 1 :]), None)
    return None


def _runconfig(path: Path) -> dict[str, Any]:
    try:
        params = yaml.safe_load(path.read_text())
    except OSError as error:
        raise NotFound(f"the params file cannot be read: {error.strerror}", where=str(path)) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InvalidInput(f"the params file is no YAML: {error}", where=str(path)) from error
    section = params.get("runconfig") if isinstance(params, dict) else None
    return section if isinstance(section, dict) else {}


def _require_mounts(words: Words) -> None:
    for folder in words.mount_dirs:
        if not Path(folder).exists():
            fix = "mount it on this machine, or leave it out"
            raise NotFound(f"there is no folder {folder}", where="--mount-dirs", fix=fix)
