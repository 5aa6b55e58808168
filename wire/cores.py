"""The processors of this machine, divided: some are left to the input, the others compute.

A replica that computes and an input that feeds it disturb each other less when each stays on processors of its own.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

INPUT_SHARE = 4
"""One processor in so many is left to the input, and one at least."""

_TASKS = "/proc/{}/task"


@dataclass(frozen=True, slots=True)
class Cores:
    """Processor numbers. input: where the input stays while replicas compute; compute: where these are.

    Where there is only one processor it is both.
    """

    input: frozenset[int]
    compute: frozenset[int]

    @classmethod
    def split(cls, available: Iterable[int]) -> Cores:
        """The lowest numbers are the input's."""
        numbers = sorted(available)
        count = max(1, len(numbers) // INPUT_SHARE)
        return cls(frozenset(numbers[:count]), frozenset(numbers[count:] or numbers))

    @classmethod
    def here(cls) -> Cores:
        """Of the processors that this process may use."""
        return cls.split(_available())

    @property
    def all(self) -> frozenset[int]:
        return self.input | self.compute


@contextmanager
def input_aside(cores: Cores) -> Iterator[None]:
    """For a process that computes in the calling thread, and in threads that this one starts: these stay on their
    cores meanwhile, and the other threads that it has, and those that they start, on the input's.
    """
    me = threading.get_native_id()
    bound = {me}
    while others := set(tasks_of(os.getpid())) - bound:  # one that is not bound yet may have started another
        bind(others, cores.input)
        bound |= others
    bind([me], cores.compute)
    try:
        yield
    finally:
        bind(tasks_of(os.getpid()), cores.all)


def bind(threads: Iterable[int], cores: Iterable[int]) -> None:
    """Let these threads (ids of the operating system) run on these processors only; one that has ended is passed over.

    Does nothing where the operating system has no such call.
    """
    numbers = set(cores)
    if not hasattr(os, "sched_setaffinity"):
        return
    for thread in threads:
        with suppress(ProcessLookupError):
            os.sched_setaffinity(thread, numbers)


def tasks_of(process: int) -> list[int]:
    """Ids of the threads of a process and of all processes below it; none where it has ended or cannot be known."""
    found: list[int] = []
    try:
        for task in Path(_TASKS.format(process)).iterdir():
            found.append(int(task.name))
            for child in (task / "children").read_text().split():
                found += tasks_of(int(child))
    except OSError:
        return found
    return found


def _available() -> set[int]:
    if hasattr(os, "sched_getaffinity"):
        return os.sched_getaffinity(0)
    return set(range(os.cpu_count() or 1))
