"""The options of the launchers, as the documents of CSoft 1.6 have them, dashed or underscored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from wire.errors import InvalidInput, nearest


@dataclass(frozen=True, slots=True)
class Option:
    """One option. kind: "count", "flag" or "paths" (separated by commas). help: one line."""

    kind: str
    help: str
    least: int = 1


_MOUNTS = Option("paths", "folders that the program needs; all folders are there anyway, and these are looked for")

CSRUN_CPU: Mapping[str, Option] = {
    "alloc_node": Option("flag", "take the whole node (inside a Slurm allocation)"),
    "mount_dirs": _MOUNTS,
}
CSRUN_WSE: Mapping[str, Option] = {
    "total_nodes": Option("count", "nodes of the run"),
    "tasks_per_node": Option("count", "tasks on each node"),
    "cpus_per_task": Option("count", "processors of each task (inside a Slurm allocation)"),
    "single_task_nodes": Option("count", "nodes, of all of them, that run one task only", least=0),
    "cyclic": Option("flag", "deal tasks to the nodes in turn (inside a Slurm allocation)"),
    "mount_dirs": _MOUNTS,
}


@dataclass(frozen=True, slots=True)
class Words:
    """A launcher's command line: its own options, by underscored names, and the command that it is to run."""

    options: Mapping[str, int | bool | tuple[str, ...]]
    command: tuple[str, ...]
    wants_help: bool = False

    def count(self, name: str) -> int | None:
        value = self.options.get(name)
        return value if isinstance(value, int) and not isinstance(value, bool) else None

    def flag(self, name: str) -> bool:
        return self.options.get(name) is True

    @property
    def mount_dirs(self) -> tuple[str, ...]:
        value = self.options.get("mount_dirs", ())
        return value if isinstance(value, tuple) else ()


def parse(words: Sequence[str], known: Mapping[str, Option]) -> Words:
    """Read a command line. Raises InvalidInput for an unknown option, with the nearest one, and for a wrong value."""
    options: dict[str, int | bool | tuple[str, ...]] = {}
    left = list(words)
    while left and left[0].startswith("-"):
        word, _, value = left.pop(0).partition("=")
        name = word.lstrip("-").replace("-", "_")
        if word in ("-h", "--help"):
            return Words(options, tuple(left), wants_help=True)
        if name not in known or not word.startswith("--"):
            raise InvalidInput(f"there is no option {word}", where="command line", fix=_hint(name, known))
        options[name] = _value(word, known[name], value, left)
    if not left:
        fix = "name the command, such as: python-pt run.py --params configs/params.yaml"
        raise InvalidInput("there is no command to run", where="command line", fix=fix)
    return Words(options, tuple(left))


def usage(launcher: str, known: Mapping[str, Option]) -> str:
    """What --help says."""
    lines = [f"usage: {launcher} [option ...] COMMAND [word ...]", "", "options, dashed or underscored:"]
    for name, option in known.items():
        form = {"count": " N", "paths": " DIR[,DIR ...]", "flag": ""}[option.kind]
        lines.append(f"  --{name.replace('_', '-') + form:32}{option.help}")
    return "\n".join(lines)


def _hint(name: str, known: Mapping[str, Option]) -> str:
    return nearest(f"--{name.replace('_', '-')}", [f"--{each.replace('_', '-')}" for each in known])


def _value(word: str, option: Option, given: str, left: list[str]) -> int | bool | tuple[str, ...]:
    if option.kind == "flag":
        if given:
            raise InvalidInput(f"{word} takes no value", where="command line", fix=f"write {word}")
        return True
    text = given or (left.pop(0) if left else "")
    if option.kind == "paths":
        return tuple(path for path in text.split(",") if path)
    if not text.isdecimal() or int(text) < option.least:
        what = f"{word} is {text!r}; it must be a whole number of {option.least} or more"
        raise InvalidInput(what, where="command line", fix=f"write {word} {max(1, option.least)}")
    return int(text)
