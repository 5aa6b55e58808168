"""The wafer processes: started, listened to, ended. None outlives the coordinator."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from wafer_sim.service.hub import Died

_log = logging.getLogger("wafer_sim")
_TAIL_LINES = 12
_LINE_CHARACTERS = 400
_READ_CHARACTERS = 4096
_DRAIN_SECONDS = 1.0
_NO_PROGRAM = 127

WAFER_PROGRAM = (sys.executable, "-m", "wafer_sim.wafer_process")


@dataclass(slots=True)
class _Wafer:
    process: subprocess.Popen[str] | None
    tail: deque[str] = field(default_factory=lambda: deque(maxlen=_TAIL_LINES))
    watcher: threading.Thread | None = None


class Supervisor:
    """Starts `program` for a run and reports its exit.

    coordinator: "host:port" where the process attaches. executables: the directory of executables. environment: of
    the process; the token travels in it, never on the command line, which everybody can read. The process holds the
    other end of a pipe as its stdin: when the coordinator is gone, however it went, that ends.
    """

    def __init__(
        self,
        coordinator: str,
        executables: Path,
        environment: Mapping[str, str],
        program: Sequence[str] = WAFER_PROGRAM,
    ) -> None:
        self._coordinator = coordinator
        self._executables = executables
        self._environment = dict(environment)
        self._program = tuple(program)
        self._wafers: dict[str, _Wafer] = {}
        self._changed = threading.Condition()

    def start(self, run_id: str, incarnation: int, died: Died) -> None:
        """Start the process of a run. `died` is called from another thread once it has exited, or could not start."""
        wafer = _Wafer(None)
        try:
            wafer.process = self._popen(run_id, incarnation)
        except OSError as error:
            wafer.tail.append(f"it could not be started: {error}")
        watch = threading.Thread(target=self._watch, args=(run_id, incarnation, wafer, died), name=f"wafer {run_id}")
        wafer.watcher = watch
        with self._changed:
            self._wafers[run_id] = wafer
        watch.start()

    def terminate(self, run_id: str) -> None:
        """Send SIGTERM, if it lives."""
        process = self._process(run_id)
        if process is not None:
            process.terminate()

    def kill(self, run_id: str) -> None:
        """Send SIGKILL, if it lives."""
        process = self._process(run_id)
        if process is not None:
            process.kill()

    def wait(self, seconds: float) -> bool:
        """Whether no process is left, after at most that many seconds."""
        end = time.monotonic() + seconds
        with self._changed:
            return self._changed.wait_for(lambda: not self._wafers, max(0.0, end - time.monotonic()))

    def _process(self, run_id: str) -> subprocess.Popen[str] | None:
        with self._changed:
            wafer = self._wafers.get(run_id)
        return wafer.process if wafer else None

    def _popen(self, run_id: str, incarnation: int) -> subprocess.Popen[str]:
        where = ("--coordinator", self._coordinator, "--executables", str(self._executables))
        return subprocess.Popen(
            (*self._program, *where, "--run", run_id, "--incarnation", str(incarnation)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=self._environment,
            text=True,
            errors="replace",
            # A Ctrl-C on the terminal is for the coordinator alone, which then stops its wafer in order.
            start_new_session=True,
        )

    def _watch(self, run_id: str, incarnation: int, wafer: _Wafer, died: Died) -> None:
        code = _NO_PROGRAM
        try:
            if wafer.process is not None:
                code = _outlast(wafer.process, run_id, wafer.tail)
            died(run_id, incarnation, code, tuple(wafer.tail))
        finally:
            with self._changed:
                if self._wafers.get(run_id) is wafer:
                    del self._wafers[run_id]
                self._changed.notify_all()


def _outlast(process: subprocess.Popen[str], run_id: str, tail: deque[str]) -> int:
    """Read what a process writes until it exits; its exit code."""
    if process.stdin is None or process.stdout is None:
        raise ValueError("a wafer process needs pipes")
    reader = threading.Thread(target=_echo, args=(process.stdout, run_id, tail), daemon=True)
    reader.start()
    code = process.wait()
    # A child of it may hold the pipe open for longer than anybody wants to wait.
    reader.join(_DRAIN_SECONDS)
    process.stdin.close()
    if not reader.is_alive():
        process.stdout.close()
    return code


def _echo(pipe: IO[str], run_id: str, tail: deque[str]) -> None:
    while line := pipe.readline(_READ_CHARACTERS):
        text = line.rstrip()[:_LINE_CHARACTERS]
        if text:
            tail.append(text)
            _log.info("%s | %s", run_id, text)
