"""Patterns of calls: what a decomposition has taken apart is found again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from wafer_sim.compiler.program import Argument, Node, Ref


@dataclass(frozen=True, slots=True)
class Hole:
    """Whatever is there; the same name stands for the same argument everywhere in a pattern."""

    name: str


@dataclass(frozen=True, slots=True, init=False)
class Made:
    """A value that is the only result of a call of `op` without keywords, with these arguments."""

    op: str
    args: tuple[Pattern, ...]

    def __init__(self, op: str, *args: Pattern) -> None:
        object.__setattr__(self, "op", op if "." in op else f"aten.{op}.default")
        object.__setattr__(self, "args", args)


Pattern = Hole | Made | bool | int | float | None | tuple["Pattern", ...]
Found = dict[str, Argument]


def match(pattern: Made, node: Node, makers: Mapping[int, Node]) -> Found | None:
    """What the names of a pattern stand for where `node` makes its root; None where it does not.

    makers: number of a value -> the call that makes it.
    """
    found: Found = {}
    return found if _call(pattern, node, makers, found) else None


def _call(pattern: Made, node: Node, makers: Mapping[int, Node], found: Found) -> bool:
    if node.op != pattern.op or node.kwargs or len(node.args) != len(pattern.args):
        return False
    return all(_argument(p, a, makers, found) for p, a in zip(pattern.args, node.args, strict=True))


def _argument(pattern: Pattern, given: Argument, makers: Mapping[int, Node], found: Found) -> bool:
    match pattern:
        case Hole(name):
            return found.setdefault(name, given) == given
        case Made():
            maker = makers.get(given.index) if isinstance(given, Ref) else None
            return maker is not None and _call(pattern, maker, makers, found)
        case tuple():
            whole = isinstance(given, tuple) and len(given) == len(pattern)
            return whole and all(_argument(p, a, makers, found) for p, a in zip(pattern, given, strict=True))  # type: ignore[arg-type]
        case _:
            return type(given) is type(pattern) and given == pattern
