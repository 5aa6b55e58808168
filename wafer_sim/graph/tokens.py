"""The words of a kernel graph's text."""

from __future__ import annotations

import json
import re

from wafer_sim.graph.kernel_graph import Argument, Dtype, Ref

TOKEN = re.compile(
    r"""\s*(?:
    (?P<name>[$@%](?:[\w./#+-]+|"(?:[^"\\]|\\.)*"))
    |(?P<text>"(?:[^"\\]|\\.)*")
    |(?P<dtype>dtype\.\w+)
    |(?P<number>-?(?:\d+(?:\.\d+)?(?:e[+-]?\d+)?|inf\b)|nan\b)
    |(?P<word>[A-Za-z_][\w./#+-]*)
    |(?P<mark>[\[\](),=:])
    )""",
    re.VERBOSE | re.ASCII,
)
_WORDS: dict[str, Argument] = {"none": None, "true": True, "false": False}


class TextError(ValueError):
    """A line that is no part of a kernel graph."""


class Tokens:
    """A line, taken from the left."""

    def __init__(self, line: str) -> None:
        self._rest = line

    def _next(self) -> tuple[str, str, str]:
        found = TOKEN.match(self._rest)
        if found is None or found.lastgroup is None:
            raise TextError(f"nothing is known at {self._rest!r}")
        return found.lastgroup, found[found.lastgroup], self._rest[found.end() :]

    def take(self, kind: str) -> str:
        found, text, rest = self._next()
        if found != kind:
            raise TextError(f"{text!r} is no {kind}")
        self._rest = rest
        return text

    def skip(self, kind: str, text: str) -> bool:
        found = TOKEN.match(self._rest)
        if found is None or found[kind] != text:
            return False
        self._rest = self._rest[found.end() :]
        return True

    def _skip_plain(self, text: str) -> bool:
        if not self._rest.lstrip(" ").startswith(text):
            return False
        self._rest = self._rest.lstrip(" ")[len(text) :]
        return True

    def skip_arrow(self) -> bool:
        return self._skip_plain("<-")

    def skip_semicolon(self) -> bool:
        return self._skip_plain(";")

    def mark(self, text: str) -> None:
        if not self.skip("mark", text):
            raise TextError(f"{text!r} is missing at {self._rest!r}")

    def end(self) -> None:
        if self._rest.strip(" "):
            raise TextError(f"{self._rest!r} is too much")

    def any_name(self) -> str:
        kind, text, rest = self._next()
        if kind not in ("name", "text", "word"):
            raise TextError(f"{text!r} is no name")
        self._rest = rest
        if kind == "text":
            return str(json.loads(text))
        return text[0] + json.loads(text[1:]) if text[1:2] == '"' else text

    def key(self) -> str | None:
        """The key of `key=`, or None where there is none; it is taken."""
        kind, text, rest = self._next()
        if kind not in ("word", "text") or not rest.startswith("="):
            return None
        self._rest = rest[1:]
        return text

    def argument(self) -> Argument:
        kind, text, self._rest = self._next()
        match kind, text:
            case "mark", "[":
                return self._tuple()
            case "name", _:
                return Ref(text[0] + json.loads(text[1:]) if text[1:2] == '"' else text)
            case "text", _:
                return str(json.loads(text))
            case "dtype", _:
                return Dtype(text.removeprefix("dtype."))
            case "number", _:
                return int(text) if text.lstrip("-").isdigit() else float(text)
            case "word", ("none" | "true" | "false"):
                return _WORDS[text]
        raise TextError(f"{text!r} is no argument")

    def _tuple(self) -> tuple[Argument, ...]:
        parts: list[Argument] = []
        while not self.skip("mark", "]"):
            if parts:
                self.mark(",")
            parts.append(self.argument())
        return tuple(parts)

    def counted(self, unit: str) -> int:
        number = int(self.take("number"))
        if self.take("word") != unit:
            raise TextError(f"{unit!r} is missing")
        return number
