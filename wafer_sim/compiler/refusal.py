"""One reason against a program, for both kinds of program."""

from __future__ import annotations

from dataclasses import dataclass

from wire.elements import NUMBERS

DTYPES = frozenset((*NUMBERS, "bfloat16"))


@dataclass(frozen=True, slots=True)
class Refusal:
    """One reason why a program cannot run.

    op: the operation without a kernel; "" where the program's structure is wrong. source: the user's line, may be
    empty. hint: what is wrong or what to do. entry: the graph it is in, "" for the program as a whole.
    """

    op: str
    source: str
    hint: str
    entry: str

    def __str__(self) -> str:
        head = " at ".join(part for part in (self.op, self.source or self.entry) if part)
        return f"{head} ({self.hint})" if head else self.hint
