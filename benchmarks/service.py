"""FC-MNIST through the real service, for benchmarks: its own coordinator, run.py, performance.json."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).parents[1] / "clients" / "fc_mnist" / "pytorch"
TENSORFLOW = PROJECT.parent / "tf"
_SERVE = [sys.executable, "-m", "wafer_sim.cli", "serve"]
NO_CHECKPOINTS = {
    PROJECT: ("runconfig.checkpoint_steps", "0"),
    TENSORFLOW: ("runconfig.save_checkpoints_steps", "1000000000"),
}


def digesting(state_dir: Path, digest_file: Path) -> list[str]:
    """The command of a service that writes down what its replicas took."""
    return [sys.executable, "-m", "benchmarks.digested.serve", str(state_dir), str(digest_file)]


@contextmanager
def coordinator(folder: Path, command: list[str] | None = None) -> Iterator[tuple[str, int]]:
    """`wafer_sim serve`, or another command that serves, on a free port: its address and process id."""
    command = command or [*_SERVE, "--port", "0", "--state-dir", str(folder / "state")]
    with (folder / "serve.log").open("w") as log:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
    assert process.stdout is not None
    with process.stdout as out:
        try:
            yield out.readline().split()[3].rstrip(","), process.pid
        finally:
            process.terminate()
            process.wait(20)


def arguments(address: str, model_dir: Path, *options: str, project: Path = PROJECT) -> list[str]:
    """The command line of a training run against a service."""
    base = [sys.executable, "run.py", "--mode", "train", "--params", "configs/params.yaml", "--cs_ip", address]
    return [*base, "--model_dir", str(model_dir), *NO_CHECKPOINTS[project], *options]


def train(address: str, model_dir: Path, *options: str, project: Path = PROJECT) -> dict[str, Any]:
    """Train to the end; what performance.json says."""
    command = arguments(address, model_dir, *options, project=project)
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    result: dict[str, Any] = json.loads((model_dir / "performance.json").read_text())
    return result
