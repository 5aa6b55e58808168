"""A coordinator for one run: brought up with it, taken down after it."""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from wire.errors import Unreachable

STOP_SECONDS = 10.0
INTERRUPTED = 130


class Service:
    """A private `wafer_sim serve`; its log goes to `log`. By default it is on a free port of this machine.

    It is in a session of its own: a Ctrl-C is for run.py, which needs the service to save a checkpoint.
    """

    def __init__(self, log: Path, host: str = "localhost", port: int = 0) -> None:
        self._log = log
        self._state = tempfile.TemporaryDirectory(prefix="wafer_sim_")
        command = [sys.executable, "-m", "wafer_sim.cli", "serve", "--host", host, "--port", str(port)]
        command += ["--state-dir", self._state.name]
        with self._log.open("w") as lines:
            self._process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=lines, text=True, start_new_session=True
            )

    def __enter__(self) -> Service:
        return self

    def address(self) -> str:
        """HOST:PORT, once it accepts connections. Raises Unreachable for a service that did not start."""
        line = self._process.stdout.readline() if self._process.stdout is not None else ""
        if not line:
            raise Unreachable("wafer_sim serve did not start", where=str(self._log), fix="read that log")
        return line.split()[3].rstrip(",")

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._state.cleanup()


def attended(command: Sequence[str], cwd: Path | None = None, environment: Mapping[str, str] | None = None) -> int:
    """A command to its end; its exit code. After Ctrl-C, which it gets too, it is given the time that it needs.

    A SIGTERM is handed on to it. Called in the main thread.
    """
    process = subprocess.Popen(command, cwd=cwd, env=environment)
    before = signal.signal(signal.SIGTERM, lambda *_: process.terminate())
    try:
        return process.wait()
    except KeyboardInterrupt:
        return _ended(process)
    finally:
        signal.signal(signal.SIGTERM, before)


def _ended(process: subprocess.Popen[bytes]) -> int:
    try:
        process.wait(STOP_SECONDS)
    except (subprocess.TimeoutExpired, KeyboardInterrupt):
        process.kill()
        process.wait()
    return INTERRUPTED
