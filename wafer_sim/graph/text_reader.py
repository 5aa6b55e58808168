"""From text to a kernel graph: reads what `text.to_text` wrote."""

from __future__ import annotations

import json
import re

from wafer_sim.graph.kernel_graph import Argument, Call, Cost, KernelGraph, Spec
from wafer_sim.graph.text import SIGNS
from wafer_sim.graph.tokens import TextError, Tokens

_PHASES = {sign: phase for phase, sign in SIGNS.items()}


def from_text(text: str) -> KernelGraph:
    """Read what `to_text` wrote. Raises TextError, with the line, for anything else."""
    head, *lines = text.split("\n")
    first = re.fullmatch(r"graph (\w+) of (\d+)", head)
    if first is None:
        raise TextError(f"{head!r} is not the head of a graph")
    reader = _Reader()
    for line in lines:
        try:
            if line:
                reader.line(line)
        except (KeyError, IndexError, ValueError) as error:
            raise TextError(f"{line!r}: {error}") from error
    parts = (reader.parameters, tuple(reader.inputs), reader.values, tuple(reader.calls), reader.outputs)
    return KernelGraph(first[1], int(first[2]), *parts)


class _Reader:
    """Takes a graph's lines one by one."""

    def __init__(self) -> None:
        self.parameters: dict[str, bool] = {}
        self.inputs: list[str] = []
        self.values: dict[str, Spec] = {}
        self.calls: list[Call] = []
        self.outputs: dict[str, str] = {}

    def line(self, line: str) -> None:
        if line.startswith("output "):
            tokens = Tokens(line[len("output ") :])
            name = tokens.any_name()
            self.outputs[name] = tokens.any_name()
            tokens.end()
        elif line[0] in _PHASES:
            self._call(line)
        else:
            tokens = Tokens(line)
            end = self._made(tokens)
            if end is None or end[:1] not in ("$", "@"):
                raise TextError("it is no parameter and no input")
            if end[0] == "$":
                self.parameters[end] = {"trained": True, "fixed": False}[tokens.take("word")]
            else:
                self.inputs.append(end)
            tokens.end()

    def _call(self, line: str) -> None:
        tokens = Tokens(line[1:])
        outputs = [] if tokens.skip_arrow() else [self._made(tokens)]
        while outputs and not tokens.skip_arrow():
            tokens.mark(",")
            outputs.append(self._made(tokens))
        kernel = tokens.any_name()
        arguments, options = _given(tokens)
        source, layer, cost = _notes(tokens)
        self.calls.append(Call(kernel, arguments, tuple(outputs), options, _PHASES[line[0]], source, cost, layer))

    def _made(self, tokens: Tokens) -> str | None:
        if tokens.skip("word", "_"):
            return None
        name = tokens.any_name()
        if tokens.skip("mark", ":"):
            dtype = tokens.take("word")
            shape = tokens.argument()
            if not isinstance(shape, tuple) or not all(type(length) is int for length in shape):
                raise TextError(f"{shape!r} is no shape")
            self.values[name] = Spec(tuple(length for length in shape if isinstance(length, int)), dtype)
        return name


def _given(tokens: Tokens) -> tuple[tuple[Argument, ...], dict[str, Argument]]:
    arguments: list[Argument] = []
    options: dict[str, Argument] = {}
    tokens.mark("(")
    while not tokens.skip("mark", ")"):
        if arguments or options:
            tokens.mark(",")
        key = tokens.key()
        if key is None:
            arguments.append(tokens.argument())
        else:
            options[key] = tokens.argument()
    return tuple(arguments), options


def _notes(tokens: Tokens) -> tuple[str, str, Cost | None]:
    source, layer, cost = "", "", None
    while tokens.skip_semicolon():
        if tokens.skip("word", "at"):
            source = json.loads(tokens.take("text"))
        elif tokens.skip("word", "in"):
            layer = json.loads(tokens.take("text"))
        else:
            cost = Cost(*(tokens.counted(unit) for unit in ("macs", "other", "read", "written")))
    tokens.end()
    return source, layer, cost
