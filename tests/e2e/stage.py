"""A coordinator and workers that may be killed and started again, and a small project that trains on them quickly."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from benchmarks.faults.marked import kill_marked, marked, port_said, start, words_of
from tests.e2e import project
from tests.e2e.harness import BIN, Finished
from wafer_sim.service.screen import ask
from wire.errors import Fault
from wire.v1 import coordinator_pb2

ROWS, BATCH, STEPS = 2000, 20, 600
EPOCH = ROWS // BATCH
PATIENCE = 60.0

DATA = """
from clients.pytorch import RecipeLoader


def get_train_dataloader(params):
    return RecipeLoader(params["train_input"], where="train_input", training=True)


get_eval_dataloader = get_train_dataloader
"""

PARAMS = f"""
train_input:
    format: npz
    data_dir: numbers.npz
    columns:
        x: {{dtype: float32, shape: [8]}}
        y: {{dtype: int64}}
    batch_size: {BATCH}
    shuffle: True
    drop_last_batch: True
model:
    mixed_precision: False
    classes: 4
optimizer:
    optimizer_type: adam
    learning_rate: 0.01
runconfig:
    max_steps: {STEPS}
    log_steps: 20
    checkpoint_steps: 20
    seed: 1
"""


def small_project(folder: Path) -> Path:
    """Six epochs of a hundred steps over rows of a file, which workers read without code of the user's."""
    project.write(folder, data=DATA)
    (folder / "params.yaml").write_text(PARAMS)
    rows = np.random.default_rng(3).normal(size=(ROWS, 8)).astype(np.float32)
    np.savez(folder / "numbers.npz", x=rows, y=np.argmax(rows[:, :4], axis=1).astype(np.int64))
    return folder


def until(happened: Callable[[], bool], what: str, seconds: float = PATIENCE, pause: float = 0.002) -> None:
    """Look again and again; the pause between two looks is too short for a moment to pass unless that may."""
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
        time.sleep(pause)


@dataclass
class Stage:
    """A coordinator on one port and one state directory for all its lives, with workers started by hand."""

    folder: Path
    mark: str = field(default_factory=lambda: uuid.uuid4().hex)
    port: int = 0
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.coordinator = self._serve()

    @property
    def address(self) -> str:
        return f"localhost:{self.port}"

    def staff(self, count: int) -> None:
        """Start workers until there are so many."""
        self.workers = [worker for worker in self.workers if worker.poll() is None]
        command = [str(BIN / "streamer"), "worker", "--coordinator", self.address]
        self.workers += [self.start("worker", command) for _ in range(count - len(self.workers))]

    def chief(self, cwd: Path, model_dir: Path, *options: str, params: str = "params.yaml") -> subprocess.Popen[bytes]:
        """run.py of the project, without workers of its own unless the options say so."""
        command = [sys.executable, "run.py", "--params", params, "--cs_ip", self.address]
        command += ["--model_dir", str(model_dir), "--num_workers", "0", *options]
        return self.start("chief", command, cwd=cwd)

    def task(self, name: str, cwd: Path, model_dir: Path, *options: str) -> subprocess.Popen[bytes]:
        """run.py of the project as a launcher starts it: what it says goes to <name>.log."""
        command = [sys.executable, "run.py", "--params", "params.yaml", "--cs_ip", self.address]
        return self.start(name, [*command, "--model_dir", str(model_dir), *options], cwd=cwd)

    def restart(self) -> None:
        """Kill the coordinator, and start it again in the same place."""
        self.coordinator.kill()
        self.coordinator.wait()
        self.coordinator = self._serve()

    def kill_wafer(self) -> None:
        """Kill the wafer process, as soon as there is one."""
        until(lambda: any("wafer_sim.wafer_process" in words_of(p) for p in marked(self.mark)), "a wafer process")
        for process in marked(self.mark):
            if "wafer_sim.wafer_process" in words_of(process):
                process.kill()

    def run(self, model_dir: Path) -> coordinator_pb2.RunStatus:
        """The newest run of a model_dir; an empty one where there is none, or nobody answers."""
        try:
            runs = ask(self.address).runs
        except Fault:
            return coordinator_pb2.RunStatus()
        mine = [run for run in runs if run.spec.model_dir == str(model_dir)]
        return mine[-1] if mine else coordinator_pb2.RunStatus()

    def said(self) -> str:
        """What the processes wrote last, for a failure."""
        logs = sorted(self.folder.glob("*.log"))
        return "\n".join(f"{log.name}:\n{log.read_text(errors='replace')[-3000:]}" for log in logs)

    def stop(self) -> None:
        kill_marked(self.mark)
        for process in (self.coordinator, *self.workers):
            process.wait()

    def _serve(self) -> subprocess.Popen[bytes]:
        state = str(self.folder / "state")
        command = [str(BIN / "wafer_sim"), "serve", "--port", str(self.port), "--state-dir", state]
        process = self.start("serve", command, stdout=subprocess.PIPE)
        port = port_said(process)
        assert port, self.said()
        self.port = port
        return process

    def start(
        self, name: str, command: list[str], *, cwd: Path | None = None, stdout: int | None = None
    ) -> subprocess.Popen[bytes]:
        return start(self.mark, self.folder / f"{name}.log", command, cwd=cwd, stdout=stdout)


def ledger(model_dir: Path) -> Finished:
    """`wafer_sim ledger MODEL_DIR`."""
    command = [str(BIN / "wafer_sim"), "ledger", str(model_dir)]
    env = os.environ | {"COLUMNS": "200"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=env)
    return Finished(done.returncode, done.stdout, done.stderr)
