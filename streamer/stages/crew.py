"""The threads of this process that work on rows: one a processor, shared by all of its streams."""

from __future__ import annotations

import functools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait

from wire.cores import Cores

_PARTS = 4
"""Of a batch, for each thread: who is done early takes another one."""


@functools.cache
def size() -> int:
    """How many threads there are."""
    return len(Cores.here().all)


def share(count: int, work: Callable[[int, int], None]) -> None:
    """Call `work` with starts and stops that make up range(count), in any order and several at once; wait for all.

    `work` should let go of the interpreter's lock most of the time. Raises what the first of them raised.
    """
    if size() == 1 or count <= 1:
        work(0, count)
        return
    step = max(1, count // (_PARTS * size()))
    jobs = [_pool().submit(work, start, min(start + step, count)) for start in range(0, count, step)]
    wait(jobs)
    for job in jobs:
        job.result()


@functools.cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(size(), "rows")
