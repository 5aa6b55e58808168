"""Kills every marked process once its standard input ends: so they go whichever way their driver goes.

python -m benchmarks.faults.guard MARK
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.faults.marked import kill_marked

ROOT = Path(__file__).parents[2]


@contextmanager
def guarded(mark: str) -> Iterator[None]:
    """Within it processes with the mark may be started; after it there is none."""
    command = [sys.executable, "-m", "benchmarks.faults.guard", mark]
    guard = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, start_new_session=True)
    try:
        yield
    finally:
        assert guard.stdin is not None
        guard.stdin.close()
        guard.wait()


def main(mark: str) -> None:
    """Wait for the end of standard input, then kill."""
    while os.read(sys.stdin.fileno(), 4096):
        pass
    kill_marked(mark, os.getpid())


if __name__ == "__main__":
    main(sys.argv[1])
