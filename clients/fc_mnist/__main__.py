"""The main job: FC-MNIST on real MNIST, streamed by workers into the simulated wafer, then evaluated.

    python -m clients.fc_mnist [--model_dir DIR] [any option of run.py ...]

It brings up a private `wafer_sim serve`, trains, evaluates, takes the service down, and ends with one line. Without
--model_dir a job that was finished is run anew, and one that was interrupted goes on.
"""

from __future__ import annotations

import argparse
import json
import shlex
import shutil
import sys
from pathlib import Path
from typing import Any

from clients.private_service import Service, attended
from clients.report import performance_path
from wire.ending import code_of
from wire.errors import Refused

PROJECT = Path(__file__).parent / "pytorch"
DEFAULT_MODEL_DIR = Path("runs") / "fc_mnist"


def _run(mode: str, address: str, model_dir: Path, options: list[str]) -> int:
    """run.py to its end; its exit code. After Ctrl-C, which it gets too, it is given the time that it needs."""
    command = [sys.executable, "run.py", "--mode", mode, "--params", "configs/params.yaml"]
    command += ["--model_dir", str(model_dir), "--cs_ip", address, *options]
    print(f"$ python {shlex.join(command[1:])}", flush=True)
    return attended(command, cwd=PROJECT)


def _figures(mode: str, model_dir: Path) -> dict[str, Any]:
    result: dict[str, Any] = json.loads(performance_path(model_dir, mode).read_text())
    return result


def _arguments(words: list[str]) -> tuple[Path, list[str]]:
    """The model_dir, absolute, and all other options."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    parser.add_argument("-o", "--model_dir", type=Path)
    try:
        given, rest = parser.parse_known_args(words)
    except argparse.ArgumentError as error:
        raise Refused(str(error), where="command line") from error
    if given.model_dir is not None:
        return given.model_dir.expanduser().absolute(), rest
    model_dir = DEFAULT_MODEL_DIR.absolute()
    if performance_path(model_dir, "eval").exists():
        shutil.rmtree(model_dir)
    return model_dir, rest


def main(words: list[str]) -> int:
    """Run the main job. Gives 0 when it ran to its end, else the exit code of what ended early."""
    model_dir, options = _arguments(words)
    model_dir.mkdir(parents=True, exist_ok=True)
    with Service(model_dir / "wafer_sim.log") as service:
        address = service.address()
        for mode in ("train", "eval"):
            if code := _run(mode, address, model_dir, options):
                return code
    trained, evaluated = _figures("train", model_dir), _figures("eval", model_dir)
    print(
        f"FC-MNIST: accuracy {evaluated['metrics']['accuracy']:.1%}, {trained['samples_per_sec']:,.0f} samples/s, "
        f"AU {trained['accelerator_utilization']:.2f}, {trained['verdict']}"
    )
    return 0


if __name__ == "__main__":
    sys.exit(code_of(lambda: main(sys.argv[1:])))
