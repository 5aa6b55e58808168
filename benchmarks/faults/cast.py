"""The processes of a run, started by hand and started again: coordinator, workers, chief; and its wafer process."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import psutil

from benchmarks.faults.marked import marked, port_said, start, words_of
from benchmarks.faults.strikes import CHIEF, COORDINATOR, FROZEN, WAFER, WORKER, Strike
from benchmarks.service import PROJECT

SERVE_TRIES = 10
TAIL = 25


class Stuck(Exception):  # noqa: N818 - the end of a measurement, said in a sentence
    """Something that must happen did not; `args[0]` says what."""


class Cast:
    """Coordinator, `workers` workers and, once asked for, the chief. Their logs are in `folder`."""

    def __init__(self, folder: Path, mark: str, workers: int, run: Sequence[str]) -> None:
        self.folder = folder
        self.model_dir = folder / "model_dir"
        self.unasked: list[str] = []
        self._mark = mark
        self._run = list(run)
        folder.mkdir(parents=True)
        self._port = 0
        self._coordinator = self._serve()
        self.workers = [self._worker(number) for number in range(workers)]
        self.chief: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"localhost:{self._port}"

    @property
    def ended(self) -> bool:
        """Whether the chief has left in order: the run is over."""
        return self.chief is not None and self.chief.poll() == 0

    def start_chief(self) -> subprocess.Popen[bytes]:
        """run.py, the same command every time."""
        command = [sys.executable, "run.py", "--mode", "train", "--params", "configs/params.yaml"]
        command += ["--cs_ip", self.address, "--model_dir", str(self.model_dir), *self._run]
        self.chief = self._start("chief", command, cwd=PROJECT)
        return self.chief

    def wafer(self) -> psutil.Process | None:
        """The wafer process that lives now."""
        return next((p for p in marked(self._mark) if "wafer_sim.wafer_process" in words_of(p)), None)

    def strike(self, strike: Strike) -> None:
        """Send the signal, without starting anybody again."""
        if strike.role == WORKER:
            self._chosen(strike).kill()
        elif strike.role == FROZEN:
            worker = self._chosen(strike)
            worker.send_signal(signal.SIGSTOP)
            thaw = threading.Timer(strike.frozen, worker.send_signal, (signal.SIGCONT,))
            thaw.daemon = True
            thaw.start()
        elif strike.role == COORDINATOR:
            self._coordinator.kill()
        elif strike.role == CHIEF and self.chief is not None:
            self.chief.kill()
        elif strike.role == WAFER and (wafer := self.wafer()) is not None:
            wafer.kill()

    def mend(self, strike: Strike) -> None:
        """Start again whom the strike has killed; the wafer process is the coordinator's to start."""
        if strike.role == WORKER:
            self._chosen(strike).wait()
            self.workers[self._number(strike)] = self._worker(self._number(strike))
        elif strike.role == COORDINATOR:
            self._coordinator.wait()
            self._coordinator = self._serve()
        elif strike.role == CHIEF and self.chief is not None:
            self.chief.wait()
            self.start_chief()

    def replace_who_left(self) -> None:
        """Start again, and note, every process that ended although nobody struck it."""
        for number, worker in enumerate(self.workers):
            if worker.poll() is not None:
                self.unasked.append(f"worker {number} left with exit code {worker.returncode}")
                self.workers[number] = self._worker(number)
        if self._coordinator.poll() is not None:
            self.unasked.append(f"the coordinator left with exit code {self._coordinator.returncode}")
            self._coordinator = self._serve()
        if self.chief is not None and self.chief.poll():
            self.unasked.append(f"the chief left with exit code {self.chief.returncode}")
            self.start_chief()

    def kill_by_hand(self) -> None:
        """SIGKILL at once to all that were started here; their children have to leave by themselves."""
        started = [self._coordinator, *self.workers, *([self.chief] if self.chief else [])]
        for process in started:
            process.kill()
        for process in started:
            process.wait()

    def reap(self) -> None:
        """Wait for all that were killed."""
        for process in (self._coordinator, *self.workers, *([self.chief] if self.chief else [])):
            process.wait()

    def tails(self) -> str:
        """The last lines of every log."""
        parts = []
        for log in sorted(self.folder.glob("*.log")):
            lines = log.read_text(errors="replace").splitlines()[-TAIL:]
            parts.append("\n    ".join([f"{log}:", *lines]))
        return "\n".join(parts)

    def _number(self, strike: Strike) -> int:
        return min(int(strike.choice * len(self.workers)), len(self.workers) - 1)

    def _chosen(self, strike: Strike) -> subprocess.Popen[bytes]:
        return self.workers[self._number(strike)]

    def _worker(self, number: int) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "streamer.cli", "worker", "--coordinator", self.address]
        return self._start(f"worker{number}", command)

    def _serve(self) -> subprocess.Popen[bytes]:
        """The coordinator, accepting connections: on a free port first, on the same one later."""
        state = str(self.folder / "state")
        for _ in range(SERVE_TRIES):
            command = [sys.executable, "-m", "wafer_sim.cli", "serve", "--port", str(self._port), "--state-dir", state]
            process = self._start("serve", command, stdout=subprocess.PIPE)
            if port := port_said(process):
                self._port = port
                return process
            process.wait()
        raise Stuck(f"wafer_sim serve did not start on port {self._port}")

    def _start(
        self, name: str, command: Sequence[str], *, cwd: Path | None = None, stdout: int | None = None
    ) -> subprocess.Popen[bytes]:
        return start(self._mark, self.folder / f"{name}.log", command, cwd=cwd, stdout=stdout)
