"""The command line of run.py, as the documents of CSoft 1.6 print it."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from clients.sections import RunConfig
from wire.errors import InvalidInput, nearest

DEFAULT_PORT = 9000

ExtraParsers = Callable[[], list[argparse.ArgumentParser]]
"""Gives parsers with a model's own flags; they must have been made with add_help=False."""


@dataclass(frozen=True, slots=True)
class Arguments:
    """A parsed command line.

    flags: runconfig keys that were given as flags. own: the flags of the user's own parsers, all of them.
    overrides: words such as `model.mixed_precision`, `False`, in order.
    """

    params: Path
    flags: dict[str, Any]
    own: dict[str, Any]
    overrides: tuple[str, ...]
    traceback: bool


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise InvalidInput(message, where="command line", fix="python run.py --help lists the flags")


def parse(words: Sequence[str], extra: ExtraParsers | None = None) -> Arguments:
    """Parse the words after `run.py`. Raises InvalidInput for a flag that does not exist, with the nearest one."""
    parents = extra() if extra else []
    own_names = {action.dest for parent in parents for action in parent._actions}
    parser = _parser(parents)
    known, rest = parser.parse_known_args(list(words))
    _refuse_unknown_flags(parser, rest)
    given = {k: v for k, v in vars(known).items() if v is not None}
    return Arguments(
        params=Path(known.params),
        flags={k: v for k, v in given.items() if k in RunConfig.model_fields and k not in own_names},
        own={k: v for k, v in vars(known).items() if k in own_names},
        overrides=tuple(rest),
        traceback=bool(known.traceback),
    )


def address(text: str) -> str:
    """HOST or HOST:PORT -> HOST:PORT; an IPv6 address is written [ADDRESS]:PORT."""
    host, colon, port = text.rpartition(":")
    if not colon or text.endswith("]"):
        return f"{text}:{DEFAULT_PORT}"
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise argparse.ArgumentTypeError(f"{text!r} is neither HOST nor HOST:PORT")
    return text


def _refuse_unknown_flags(parser: argparse.ArgumentParser, rest: list[str]) -> None:
    known = [option for action in parser._actions for option in action.option_strings if option.startswith("--")]
    for word in rest:
        name = word.partition("=")[0]
        if name.startswith("-") and "." not in name and not name[1:2].isdecimal():
            fix = _key_or_flag(name, known)
            raise InvalidInput(f"there is no flag {name}", where="command line", fix=fix)


def _key_or_flag(name: str, known: list[str]) -> str:
    key = name.lstrip("-")
    return f"it is a key: write runconfig.{key} VALUE" if key in RunConfig.model_fields else nearest(name, known)


def _parser(parents: list[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    parser = _Parser(
        prog="run.py",
        parents=parents,
        allow_abbrev=False,
        usage="python run.py --params FILE [--mode train|eval] [--cs_ip HOST[:PORT]] [option ...] "
        "[section.key VALUE ...]",
        description="Train or evaluate a model: on the wafer with --cs_ip, without it in plain PyTorch.",
        epilog="Any key of the params file can be given too: model.mixed_precision False, --runconfig.log_steps=10. "
        "An option on the command line goes before the params file. Ctrl-C stops a run with a checkpoint; the same "
        "command again goes on.",
    )
    parser.add_argument("-p", "--params", required=True, metavar="FILE", help="the params file (YAML); always needed")
    parser.add_argument(
        "-m",
        "--mode",
        choices=["train", "eval", "train_and_eval"],
        help="default: train; train_and_eval runs off the system only",
    )
    parser.add_argument(
        "-o", "--model_dir", metavar="DIR", help="where checkpoints and reports go; default: model_dir beside run.py"
    )
    parser.add_argument("--traceback", action="store_true", default=None, help="show the traceback of an error")
    _system_flags(parser)
    _length_flags(parser)
    return parser


def _system_flags(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("the system")
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
        "-cpu", "--cpu", action="store_true", default=None, help="without --cs_ip: no GPU even where there is one"
    )
    group.add_argument(
        "--multireplica", action="store_true", default=None, help="train with several replicas, which share the batch"
    )
    group.add_argument("--num_replicas", type=int, metavar="N", help="how many of them; default 2")
    group.add_argument(
        "--num_streams", type=int, metavar="N", help="shards of the input; a run keeps its number; default 4"
    )
    group.add_argument("--num_workers", type=int, metavar="N", help="local workers to start; 0: none; default 2")
    group.add_argument("--num_workers_per_csx", type=int, metavar="N", help="the same, as later releases call it")
    group.add_argument(
        "--execution_strategy",
        choices=["pipeline", "weight_streaming"],
        help="default: pipeline; weight_streaming is not there yet",
    )
    group.add_argument(
        "--fabric_mode",
        choices=["compute", "drain", "synthetic"],
        help="drain, synthetic: measure the input only, the wafer only; default: compute",
    )
    group.add_argument("-c", "--compile_dir", metavar="DIR", help="where executables go; default: the model_dir")
    group.add_argument("--logging", type=str.upper, metavar="LEVEL", help="DEBUG, INFO, WARNING, ERROR; default INFO")


def _length_flags(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("the run")
    group.add_argument("--max_steps", type=int, metavar="N", help="train to step N")
    group.add_argument("--num_steps", type=int, metavar="N", help="train N steps more")
    group.add_argument("--num_epochs", type=int, metavar="N", help="train N epochs more")
    group.add_argument("--steps_per_epoch", type=int, metavar="N", help="steps that count as one epoch")
    group.add_argument("--eval_steps", type=int, metavar="N", help="evaluate N batches only")
    group.add_argument("--checkpoint_steps", type=int, metavar="N", help="a checkpoint every N steps; 0: at the end")
    group.add_argument("--log_steps", type=int, metavar="N", help="a progress line every N steps")
    group.add_argument("--seed", type=int, metavar="N", help="what all randomness follows from")
    group.add_argument("--checkpoint_path", metavar="PATH", help="start from this checkpoint")
    group.add_argument(
        "--is_pretrained_checkpoint", action="store_true", default=None, help="take its weights only; start at step 0"
    )
