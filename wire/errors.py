"""Errors that a person can act on. Every package hangs its own tree under `Fault`.

Fault                    what went wrong, where, and what to do
+-- InvalidInput         params, a recipe, a file, data or a program is wrong: the user mends it
+-- NotFound             a file, run or stream that does not exist
+-- Refused              the other end will not: version, token, an operation without a kernel
|   +-- StaleLease       another worker holds the stream now: nothing is wrong, nothing is to be done
+-- Unreachable          nobody answers at the address, or nobody answers in time
+-- Exhausted            a port, disk or memory that is not to be had, a frame that is too large
+-- Stopped              cancelled, or ended by a signal
"""

from __future__ import annotations

import difflib


class Fault(Exception):  # noqa: N818 - the root of a tree whose leaves carry the names
    """Something went wrong that a person can act on.

    what: one sentence. where: file, key, stage, stream, cursor or source line; may be empty. fix: what to do; may
    be empty.
    """

    def __init__(self, what: str, *, where: str = "", fix: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.fix = fix

    def __str__(self) -> str:
        return "; ".join(part for part in (self.what, self.where and f"at {self.where}", self.fix) if part)

    def screen(self) -> str:
        """The error as a person reads it on a terminal: at most three short paragraphs."""
        lines = [f"error: {self.what}"]
        lines += [f"  where: {self.where}"] if self.where else []
        lines += [f"  do:    {self.fix}"] if self.fix else []
        return "\n".join(lines)


class InvalidInput(Fault):
    """Params, a recipe, a file, data or a program is wrong."""


class NotFound(Fault):
    """A file, a run or a stream does not exist."""


class Refused(Fault):
    """The other end will not do it."""


class StaleLease(Refused):
    """Another worker holds the stream now."""


class Unreachable(Fault):
    """Nobody answers, or not in time."""


class Exhausted(Fault):
    """A resource is not to be had: port, disk, memory, message size."""


class Stopped(Fault):
    """The work was cancelled."""


def nearest(name: str, known: list[str] | tuple[str, ...]) -> str:
    """A hint for a misspelt name: "did you mean 'shuffle'?", or the names there are."""
    close = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {close[0]!r}?" if close else f"known here: {', '.join(sorted(known))}"
