"""Local workers of a run without a launcher: spawned with it, gone with it, heard when they fail."""

from __future__ import annotations

import collections
import logging
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from clients.aside import Aside
from wire.channel import is_loopback
from wire.cores import Cores, bind, tasks_of
from wire.errors import Exhausted

log = logging.getLogger("clients")

LEAVE_SECONDS = 3.0
TERM_SECONDS = 1.0
TAIL_LINES = 20

_LINE = re.compile(r"^\S+ \S+ (?P<level>DEBUG|INFO|WARNING|ERROR|CRITICAL) (?P<text>.*)$")
_LAST_WORDS = ("error:", "Traceback")


class LocalWorkers:
    """`count` worker processes. They leave when this process does, however it ends: their standard input closes.

    data: the worker options that name a user's loader. own: a command line to start instead of `streamer worker`, and
    what its environment has besides this one's. level: which of their log lines are shown here. One that
    ends with an error is reported at once, with its last words. Where the wafer is on this machine too, they leave
    the processors that it computes on alone for as long as the input keeps up.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - how many, for whom, and what they are
        self,
        count: int,
        coordinator: str,
        session: str,
        data: Sequence[str] = (),
        level: str = "ERROR",
        own: tuple[list[str], dict[str, str]] | None = None,
    ) -> None:
        self._aside = Aside() if is_loopback(coordinator.rpartition(":")[0]) else None
        self._command, self._added = own or streamer_command(coordinator, session, data)
        self._count, self._level = count, logging.getLevelName(level)
        self._workers: list[_LocalWorker] = []

    def start(self) -> None:
        """Raises Exhausted where no process can be started."""
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)} | self._added
        for number in range(self._count):
            self._workers.append(_LocalWorker(self._command, environment, number, self._level))

    def bind(self, cores: Sequence[Iterable[int]]) -> None:
        """Keep each worker to processors of its own, where given; just after the start, as threads inherit them."""
        for worker, own in zip(self._workers, cores, strict=False):
            worker.bind(own)

    def hear(self, seconds: float, stall: float) -> None:
        """How long the run has taken, and waited for input, so far."""
        if self._aside is not None and self._aside.hear(seconds, stall):
            cores = Cores.here()
            for worker in self._workers:
                worker.bind(cores.input if self._aside.aside else cores.all)

    def __enter__(self) -> LocalWorkers:
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self._workers:
            worker.leave()
        deadline = time.monotonic() + LEAVE_SECONDS
        for worker in self._workers:
            worker.end(deadline)


class _LocalWorker:
    def __init__(self, command: Sequence[str], environment: dict[str, str], number: int, level: int) -> None:
        self._name = f"local worker {number}"
        self._level = level
        self._tail: collections.deque[str] = collections.deque(maxlen=TAIL_LINES)
        self._leaving = False
        try:
            self._process = subprocess.Popen(
                command,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
                errors="replace",
                start_new_session=True,
            )
        except OSError as error:
            raise Exhausted(f"{self._name} cannot be started: {error.strerror}", fix="lower --num_workers") from error
        self._reader = threading.Thread(target=self._listen, name=self._name, daemon=True)
        self._reader.start()

    def bind(self, cores: Iterable[int]) -> None:
        bind(tasks_of(self._process.pid), cores)

    def leave(self) -> None:
        self._leaving = True
        if self._process.stdin is not None:
            self._process.stdin.close()

    def end(self, deadline: float) -> None:
        """Gone after the deadline, a term later at the latest."""
        patience = max(0.0, deadline - time.monotonic())
        for harder in (self._process.terminate, self._process.kill):
            try:
                self._process.wait(patience)
                break
            except subprocess.TimeoutExpired:
                harder()
                patience = TERM_SECONDS
        self._process.wait()
        self._reader.join(TERM_SECONDS)

    def _listen(self) -> None:
        if self._process.stderr is not None:
            with self._process.stderr as lines:
                for line in lines:
                    self._hear(line.rstrip())
        if self._process.wait() and not self._leaving:
            log.error("%s ended with exit code %d:\n    %s", self._name, self._process.returncode, self._last_words())

    def _hear(self, line: str) -> None:
        self._tail.append(line)
        found = _LINE.match(line)
        if found and (level := logging.getLevelNamesMapping()[found["level"]]) >= self._level:
            log.log(level, "%s: %s", self._name, found["text"])

    def _last_words(self) -> str:
        """The error or traceback that it ended with; its last lines where there is none."""
        lines = list(self._tail)
        starts = [number for number, line in enumerate(lines) if line.startswith(_LAST_WORDS)]
        return "\n    ".join(lines[starts[-1] if starts else -3 :])


def streamer_command(coordinator: str, session: str, data: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """`streamer worker` for a session, as LocalWorkers starts it."""
    command = [sys.executable, "-m", "streamer.cli", "worker", "--coordinator", coordinator]
    return [*command, "--session", session, "--exit-with-parent", *data], {}


def loader_arguments(reference: str, params: Path) -> list[str]:
    """The worker options that name a user's loader."""
    return ["--data", reference, "--params", str(params)]
