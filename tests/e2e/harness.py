"""Real processes for the tests: a coordinator of its own, run.py, workers started by hand."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wafer_sim.service.screen import ask, json_of

ROOT = Path(__file__).parents[2]
PROJECT = ROOT / "clients" / "fc_mnist" / "pytorch"
BIN = Path(sys.executable).parent
TWO = ("--multireplica", "--num_replicas", "2")
_SLOWLY = ("runconfig.fabric_mode", "drain", "runconfig.drain_rate", "5000")
ENDLESS = ("--max_steps", "100000", "runconfig.checkpoint_steps", "0", *_SLOWLY)
"""A run that is there until it is stopped, and leaves the processor to others: twenty steps a second, not computed."""
SECONDS = 120


@dataclass
class Finished:
    """A program that ended: its exit code and all that it wrote."""

    code: int
    out: str
    err: str

    @property
    def said(self) -> str:
        return self.out + self.err


@dataclass
class Service:
    """A running `wafer_sim serve` and the processes started against it."""

    process: subprocess.Popen[str]
    address: str
    log: Path
    started: list[subprocess.Popen[str]] = field(default_factory=list)

    def worker(self, *options: str) -> subprocess.Popen[str]:
        """`streamer worker` started by hand; it is stopped with the service."""
        command = [str(BIN / "streamer"), "worker", "--coordinator", self.address, *options]
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        self.started.append(process)
        return process

    def run(self, *options: str, cwd: Path = PROJECT, params: str = "configs/params.yaml") -> Finished:
        """run.py against this service, to its end."""
        return python("run.py", "--params", params, "--cs_ip", self.address, *options, cwd=cwd)

    def start(self, *options: str, cwd: Path = PROJECT, params: str = "configs/params.yaml") -> subprocess.Popen[str]:
        """run.py against this service, left running."""
        command = [sys.executable, "run.py", "--params", params, "--cs_ip", self.address, *options]
        process = subprocess.Popen(command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.started.append(process)
        return process

    def status(self) -> dict[str, Any]:
        """What `wafer_sim status --json` writes, asked for without a process."""
        result: dict[str, Any] = json.loads(json_of(ask(self.address)))
        return result

    def stop(self) -> None:
        for process in self.started:
            if process.poll() is None:
                process.kill()
            process.communicate(timeout=10)
        self.process.terminate()
        self.process.communicate(timeout=20)


def python(*arguments: str, cwd: Path = PROJECT, env: dict[str, str] | None = None) -> Finished:
    """A Python program, run to its end."""
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
        env=os.environ | (env or {}),
    )
    return Finished(done.returncode, done.stdout, done.stderr)


def serve(folder: Path, *options: str, env: dict[str, str] | None = None) -> Service:
    """`wafer_sim serve` on a free port, accepting connections."""
    log = folder / "serve.log"
    command = [str(BIN / "wafer_sim"), "serve", "--port", "0", "--state-dir", str(folder / "state"), *options]
    with log.open("w") as stderr:
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=stderr, text=True, env=os.environ | (env or {})
        )
    assert process.stdout is not None
    line = process.stdout.readline()
    assert "coordinator at" in line, log.read_text()
    return Service(process, line.split()[3].rstrip(","), log)


def weights_digest(model_dir: Path, step: int) -> str:
    """The sha256 of a checkpoint's weights file."""
    return hashlib.sha256((model_dir / f"checkpoint_{step}" / "weights.safetensors").read_bytes()).hexdigest()


def performance(model_dir: Path, mode: str = "train") -> dict[str, Any]:
    path = model_dir / "performance.json" if mode == "train" else model_dir / mode / "performance.json"
    result: dict[str, Any] = json.loads(path.read_text())
    return result
