"""The main job: FC-MNIST on real MNIST, streamed by workers into the simulated wafer, then evaluated.

    python -m clients.fc_mnist [--model_dir DIR] [any option of run.py ...]

It brings up a private `wafer_sim serve`, trains, evaluates, takes the service down, and ends with one line.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from clients.report import performance_path
from wire.errors import Fault, Stopped, Unreachable

PROJECT = Path(__file__).parent / "pytorch"
SERVE_SECONDS = 20.0


class Service:
    """A private `wafer_sim serve` on a free port; its log goes to a file in the model_dir."""

    def __init__(self, model_dir: Path) -> None:
        self._state = tempfile.TemporaryDirectory(prefix="wafer_sim_")
        self._log = (model_dir / "wafer_sim.log").open("w")
        command = [sys.executable, "-m", "wafer_sim.cli", "serve", "--port", "0", "--state-dir", self._state.name]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=self._log, text=True)
        self.address = ""

    def __enter__(self) -> Service:
        if self._process.stdout is None or not (line := self._process.stdout.readline()):
            raise Unreachable("wafer_sim serve did not start", where=self._log.name)
        self.address = line.split()[3].rstrip(",")
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(SERVE_SECONDS)
        self._log.close()
        self._state.cleanup()


def _run(mode: str, address: str, model_dir: Path, options: list[str]) -> dict[str, Any]:
    command = [sys.executable, "run.py", "--mode", mode, "--params", "configs/params.yaml"]
    command += ["--model_dir", str(model_dir), "--cs_ip", address, *options]
    print(f"$ {' '.join(command[1:])}", flush=True)
    code = subprocess.run(command, cwd=PROJECT, check=False).returncode
    if code != 0:
        raise Stopped(f"run.py --mode {mode} ended with exit code {code}", where=str(model_dir))
    result: dict[str, Any] = json.loads(performance_path(model_dir, mode).read_text())
    return result


def _model_dir(options: list[str]) -> Path:
    if "--model_dir" in options:
        at = options.index("--model_dir")
        path = Path(options[at + 1]).absolute()
        del options[at : at + 2]
    else:
        path = Path.cwd() / "runs" / "fc_mnist"
        shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True, exist_ok=True)
    return path


def main(options: list[str]) -> int:
    """Run the main job; the exit code is 0 when it ran to its end."""
    model_dir = _model_dir(options)
    with Service(model_dir) as service:
        trained = _run("train", service.address, model_dir, options)
        evaluated = _run("eval", service.address, model_dir, options)
    print(
        f"FC-MNIST: accuracy {evaluated['metrics']['accuracy']:.1%}, {trained['samples_per_sec']:,.0f} samples/s, "
        f"AU {trained['accelerator_utilization']:.2f}, {trained['verdict']}"
    )
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
    except Fault as fault:
        print(fault.screen(), file=sys.stderr)
        sys.exit(1)
