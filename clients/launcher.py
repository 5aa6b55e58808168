"""Local workers of a run without a launcher: spawned with it, gone with it."""

from __future__ import annotations

import collections
import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

GRACE_SECONDS = 3.0
TAIL_LINES = 20


class LocalWorkers:
    """`count` worker processes. They leave when this process does, however it ends: their standard input closes."""

    def __init__(self, count: int, coordinator: str, session: str, data: Sequence[str] = ()) -> None:
        command = [sys.executable, "-m", "streamer.cli", "worker", "--coordinator", coordinator]
        command += ["--session", session, "--exit-with-parent", *data]
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
        self._workers = [_LocalWorker(command, environment, number) for number in range(count)]

    def __enter__(self) -> LocalWorkers:
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self._workers:
            worker.leave()
        for worker in self._workers:
            worker.end()

    def troubles(self) -> list[str]:
        """What ended badly: for each dead worker its exit code and last lines."""
        return [trouble for worker in self._workers if (trouble := worker.trouble())]


class _LocalWorker:
    def __init__(self, command: Sequence[str], environment: dict[str, str], number: int) -> None:
        self._number = number
        self._tail: collections.deque[str] = collections.deque(maxlen=TAIL_LINES)
        self._process = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._keep_tail, daemon=True)
        self._reader.start()

    def leave(self) -> None:
        if self._process.stdin is not None:
            self._process.stdin.close()

    def end(self) -> None:
        for harder in (self._process.terminate, self._process.kill):
            try:
                self._process.wait(GRACE_SECONDS)
                break
            except subprocess.TimeoutExpired:
                harder()
        self._process.wait(GRACE_SECONDS)
        self._reader.join(GRACE_SECONDS)

    def trouble(self) -> str:
        code = self._process.poll()
        if not code:
            return ""
        lines = "\n    ".join(self._tail)
        return f"local worker {self._number} ended with exit code {code}:\n    {lines}"

    def _keep_tail(self) -> None:
        if self._process.stderr is not None:
            for line in self._process.stderr:
                self._tail.append(line.rstrip())


def loader_arguments(reference: str, params: Path) -> list[str]:
    """The worker options that name a user's loader."""
    return ["--data", reference, "--params", str(params)]
