"""The options of the launchers, as the documents of CSoft 1.6 have them, dashed or underscored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from wire.errors import InvalidInput, nearest


@dataclass(frozen=True, slots=True)
class Option:
    """One option. help: one line. also: another name that documents have for it.

    kind: "count", "flag", "switch" (True or False, which may be left out) or "paths" (separated by commas).
    """

    kind: str
    help: str
    least: int = 1
    also: str = ""


_MOUNTS = Option("paths", "folders that the program needs; all folders are there anyway, and these are looked for")

CSRUN_CPU: Mapping[str, Option] = {
    "alloc_node": Option("switch", "take all processors that the allocation has on the node; default False"),
    "mount_dirs": _MOUNTS,
}
CSRUN_WSE: Mapping[str, Option] = {
    "total_nodes": Option("count", "nodes of the run", also="nodes"),
    "tasks_per_node": Option("count", "tasks on each node"),
    "cpus_per_task": Option("count", "processors of each task (inside a Slurm allocation)"),
    "single_task_nodes": Option("count", "nodes, of all of them, that run one task only", least=0),
    "cyclic": Option("flag", "deal tasks to the nodes in turn (inside a Slurm allocation)"),
    "mount_dirs": _MOUNTS,
}
CS_INPUT_ANALYZER: Mapping[str, Option] = {
    "available_nodes": Option("count", "nodes like this one that a run may have; default 1", also="avail_nodes"),
    "mount_dirs": _MOUNTS,
}

LAUNCHERS: Mapping[str, Mapping[str, Option]] = {
    "csrun_cpu": CSRUN_CPU,
    "csrun_wse": CSRUN_WSE,
    "cs_input_analyzer": CS_INPUT_ANALYZER,
}

_SWITCH = {"true": True, "false": False}


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
        word, equals, value = left.pop(0).partition("=")
        if word in ("-h", "-?", "--help"):
            return Words(options, tuple(left), wants_help=True)
        if word == "--":
            break
        name = _name(word, known)
        options[name] = _value(word, known[name], value if equals else None, left)
    if not left:
        fix = "name the command, such as: python-pt run.py --params configs/params.yaml"
        raise InvalidInput("there is no command to run", where="command line", fix=fix)
    return Words(options, tuple(left))


def usage(launcher: str, known: Mapping[str, Option]) -> str:
    """What --help says."""
    lines = [f"usage: {launcher} [option ...] COMMAND [word ...]", "", "options, dashed or underscored:"]
    for name, option in known.items():
        form = {"count": " N", "paths": " DIR[,DIR ...]", "flag": "", "switch": "[=True|False]"}[option.kind]
        also = f" (also --{option.also.replace('_', '-')})" if option.also else ""
        lines.append(f"  --{name.replace('_', '-') + form:32}{option.help}{also}")
    return "\n".join(lines)


def _name(word: str, known: Mapping[str, Option]) -> str:
    """The option that a word names, by either of its names, dashed or underscored. Raises InvalidInput."""
    name = word.lstrip("-").replace("-", "_")
    if word.startswith("--"):
        for option, about in known.items():
            if name in (option, about.also):
                return option
    fix = nearest(f"--{name.replace('_', '-')}", [f"--{each.replace('_', '-')}" for each in known])
    raise InvalidInput(f"there is no option {word}", where="command line", fix=fix)


def _value(word: str, option: Option, given: str | None, left: list[str]) -> int | bool | tuple[str, ...]:
    if option.kind == "flag":
        if given is not None:
            raise InvalidInput(f"{word} takes no value", where="command line", fix=f"write {word}")
        return True
    if option.kind == "switch":
        return _switch(word, given, left)
    text = given if given is not None else (left.pop(0) if left else "")
    if option.kind == "paths":
        return tuple(path for path in text.split(",") if path)
    if not text.isdecimal() or int(text) < option.least:
        what = f"{word} is {text!r}; it must be a whole number of {option.least} or more"
        raise InvalidInput(what, where="command line", fix=f"write {word} {max(1, option.least)}")
    return int(text)


def _switch(word: str, given: str | None, left: list[str]) -> bool:
    """Its value, which is True where the next word is none."""
    if given is None:
        return _SWITCH[left.pop(0).lower()] if left and left[0].lower() in _SWITCH else True
    if given.lower() not in _SWITCH:
        what = f"{word} is {given!r}; it is True or False"
        raise InvalidInput(what, where="command line", fix=f"write {word}=True")
    return _SWITCH[given.lower()]
