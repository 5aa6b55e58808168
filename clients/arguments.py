"""The command line of run.py, as the documents of CSoft 1.6 print it."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, Protocol

from wire.errors import InvalidInput, nearest

DEFAULT_PORT = 9000

ExtraParsers = Callable[[], list[argparse.ArgumentParser]]
"""Gives parsers with a model's own flags; they must have been made with add_help=False."""


class Group(Protocol):
    """A group of flags that a framework may add to."""

    def add_argument(self, *names: str, **options: Any) -> Any: ...


@dataclass(frozen=True, slots=True)
class Flags:
    """What a framework's command line has besides the flags that all have.

    name: the framework's, for --help. modes: what --mode takes, the default first. modes_help: about them.
    keys: those of its runconfig section. add: adds its flags to the groups "the system" and "the run".
    """

    name: str
    modes: tuple[str, ...]
    modes_help: str
    keys: frozenset[str]
    add: Callable[[Group, Group], None]


@dataclass(frozen=True, slots=True)
class Arguments:
    """A parsed command line.

    flags: runconfig keys that were given as flags. own: the flags of the user's own parsers, all of them.
    overrides: words such as `model.mixed_precision`, `False`, in order. task_rank, num_tasks: the task of a job.
    """

    params: Path
    flags: dict[str, Any]
    own: dict[str, Any]
    overrides: tuple[str, ...]
    traceback: bool
    task_rank: int | None = None
    num_tasks: int | None = None


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise InvalidInput(message, where="command line", fix="python run.py --help lists the flags")


def parse(
    words: Sequence[str], framework: Flags, extra: ExtraParsers | None = None, default_params: Path | None = None
) -> Arguments:
    """Parse the words after `run.py`. default_params: the params file where none is given.

    Raises InvalidInput for a flag that does not exist, with the nearest one.
    """
    parents = extra() if extra else []
    own_names = {action.dest for parent in parents for action in parent._actions}
    parser = _parser(parents, framework, default_params)
    known, rest = parser.parse_known_args(list(words))
    _refuse_unknown_flags(parser, rest, framework.keys)
    given = {k: v for k, v in vars(known).items() if v is not None}
    return Arguments(
        params=Path(known.params),
        flags={k: v for k, v in given.items() if k in framework.keys and k not in own_names},
        own={k: v for k, v in vars(known).items() if k in own_names},
        overrides=tuple(rest),
        traceback=bool(known.traceback),
        task_rank=known.task_rank,
        num_tasks=known.num_tasks,
    )


def address(text: str) -> str:
    """HOST or HOST:PORT -> HOST:PORT; an IPv6 address is written [ADDRESS]:PORT."""
    host, colon, port = text.rpartition(":")
    if not colon or text.endswith("]"):
        return f"{text}:{DEFAULT_PORT}"
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise argparse.ArgumentTypeError(f"{text!r} is neither HOST nor HOST:PORT")
    return text


def _refuse_unknown_flags(parser: argparse.ArgumentParser, rest: list[str], keys: frozenset[str]) -> None:
    known = [option for action in parser._actions for option in action.option_strings if option.startswith("--")]
    for word in rest:
        name = word.partition("=")[0]
        if name.startswith("-") and "." not in name and not name[1:2].isdecimal():
            key = name.lstrip("-")
            fix = f"it is a key: write runconfig.{key} VALUE" if key in keys else nearest(name, known)
            raise InvalidInput(f"there is no flag {name}", where="command line", fix=fix)


def _parser(
    parents: list[argparse.ArgumentParser], framework: Flags, default_params: Path | None
) -> argparse.ArgumentParser:
    modes = "|".join(framework.modes)
    parser = _Parser(
        prog="run.py",
        parents=parents,
        allow_abbrev=False,
        usage=f"python run.py --params FILE [--mode {modes}] [--cs_ip HOST[:PORT]] [option ...] "
        "[section.key VALUE ...]",
        description=f"Train or evaluate a model: on the wafer with --cs_ip, without it in plain {framework.name}.",
        epilog="Any key of the params file can be given too: model.mixed_precision False, --runconfig.max_steps=10. "
        "An option on the command line goes before the params file. Ctrl-C stops a run with a checkpoint; the same "
        "command again goes on.",
    )
    needed = f"default: {default_params}" if default_params else "always needed"
    parser.add_argument(
        "-p",
        "--params",
        required=default_params is None,
        default=default_params,
        metavar="FILE",
        help=f"the params file (YAML); {needed}",
    )
    parser.add_argument("-m", "--mode", choices=framework.modes, help=framework.modes_help)
    parser.add_argument(
        "-o", "--model_dir", metavar="DIR", help="where checkpoints and reports go; default: model_dir beside run.py"
    )
    parser.add_argument("--traceback", action="store_true", default=None, help="show the traceback of an error")
    system, run = parser.add_argument_group("the system"), parser.add_argument_group("the run")
    _system_flags(system)
    _length_flags(run)
    framework.add(system, run)
    return parser


def _system_flags(group: argparse._ArgumentGroup) -> None:
    only = group.add_mutually_exclusive_group()
    only.add_argument(
        "--validate_only",
        action="store_true",
        default=None,
        help="check data, model and kernels; write nothing; needs no system",
    )
    only.add_argument(
        "--compile_only", action="store_true", default=None, help="leave the executable, do not run; needs no system"
    )
    group.add_argument(
        "-cs",
        "--cs_ip",
        type=address,
        metavar="HOST[:PORT]",
        help="the coordinator of the wafer; port 9000 unless given",
    )
    group.add_argument(
        "--multireplica", action="store_true", default=None, help="train with several replicas, which share the batch"
    )
    group.add_argument(
        "--num_replicas",
        type=int,
        metavar="N",
        help="how many of them; default: as many as fit the wafer and help, of which "
        "a run simulates at most runconfig.max_simulated_replicas (2)",
    )
    group.add_argument(
        "--num_streams", type=int, metavar="N", help="shards of the input; a run keeps its number; default 4"
    )
    group.add_argument("--num_workers", type=int, metavar="N", help="local workers to start; 0: none; default 2")
    group.add_argument("--num_workers_per_csx", type=int, metavar="N", help="the same, as later releases call it")
    group.add_argument(
        "--execution_strategy",
        choices=["pipeline", "weight_streaming"],
        help="weight_streaming: weights stay outside the wafer, and come layer by layer; default: pipeline",
    )
    group.add_argument(
        "--task_rank", type=int, metavar="N", help="which task of the job this is; default: what the launcher says"
    )
    group.add_argument("--num_tasks", type=int, metavar="N", help="how many tasks the job has")
    group.add_argument("--wafer_memory", metavar="SIZE", help="use at most so much of the wafer's memory, such as 40GB")
    group.add_argument(
        "--fabric_mode",
        choices=["compute", "drain", "synthetic"],
        help="drain, synthetic: measure the input only, the wafer only; default: compute",
    )
    group.add_argument("-c", "--compile_dir", metavar="DIR", help="where executables go; default: the model_dir")
    group.add_argument("--logging", type=str.upper, metavar="LEVEL", help="DEBUG, INFO, WARNING, ERROR; default INFO")


def _length_flags(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--max_steps", type=int, metavar="N", help="train to step N")
    group.add_argument("--eval_steps", type=int, metavar="N", help="evaluate N batches only")
    group.add_argument("--checkpoint_path", metavar="PATH", help="start from this checkpoint")
