"""How long a person waits for `--validate_only` and `--compile_only`, and how well what is placed fills the wafer."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measure import Figure, Result
from benchmarks.service import PROJECT as FC_MNIST
from wafer_sim.compiler.lowering import lower
from wafer_sim.compiler.training import OptimizerSpec
from wafer_sim.executables import read_executable
from wafer_sim.fabric import machine
from wafer_sim.fabric.estimate import estimate
from wafer_sim.fabric.result import Estimate

PROJECTS = Path(__file__).parents[1] / "tests" / "projects"
BERT_LARGE, U_NET = PROJECTS / "bert_large", PROJECTS / "unet"
SMALL_RUNS, LARGE_RUNS = 3, 1
IMPORTS = {"torch": "import torch", "torch and what it traces with": "import torch, torch.export.experimental"}
MOST_MEMORY = 8.0
"""GiB, of any of these processes."""


@dataclass(frozen=True, slots=True)
class Spent:
    """What one process took from its start to its end. memory: the most it held, in GiB."""

    cpu: float
    wall: float
    memory: float


@dataclass(frozen=True, slots=True)
class Steps:
    """One project's runs in a new folder: validated, compiled, and compiled again with nothing changed."""

    validated: Spent
    compiled: Spent
    cached: Spent


def measure() -> Result:
    """Whole processes; what importing torch takes is measured beside them and taken off."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        imports = [_imported(name, line, folder) for name, line in IMPORTS.items()]
        small = [_steps(FC_MNIST, folder / f"fc_mnist.{run}") for run in range(SMALL_RUNS)]
        large = [_steps(BERT_LARGE, folder / f"bert_large.{run}") for run in range(LARGE_RUNS)]
        _compiled(U_NET, folder / "unet.0")
        plain, tracing = (figure.median for figure in imports)
        figures = [*imports, *_times("FC-MNIST", small, (tracing, tracing, plain), (3.0, 8.0, 1.0))]
        figures += _times("BERT-Large", large, (tracing, tracing, plain), (60.0, 120.0, None))
        figures += _fills("FC-MNIST", folder / "fc_mnist.0", replicas=1)
        figures += _fills("FC-MNIST, replicas as help", folder / "fc_mnist.0", replicas=None)
        figures += _fills("BERT-Large", folder / "bert_large.0", replicas=1)
        figures += _fills("a U-Net", folder / "unet.0", replicas=1)
    notes = (
        "Times are processor time of the whole process (user and system) less that of importing torch, because the "
        "machine is shared; the clock's are beside them. A cached compile imports torch alone, the others what torch "
        "traces with, too. Fill: the interval if every core of the fabric had an equal "
        "share of the cycles (total cycles / cores), over the interval between two samples that there is."
    )
    return Result("compiling", "python -m benchmarks compiling", figures, notes)


def _imported(name: str, line: str, folder: Path) -> Figure:
    _spent(["-c", line], folder)
    return Figure(f"import {name}", "s", [_spent(["-c", line], folder).cpu for _ in range(SMALL_RUNS)])


def _steps(project: Path, model_dir: Path) -> Steps:
    validated = _spent(_command("--validate_only", model_dir), project)
    return Steps(validated, _compiled(project, model_dir), _compiled(project, model_dir))


def _compiled(project: Path, model_dir: Path) -> Spent:
    return _spent(_command("--compile_only", model_dir), project)


def _command(flag: str, model_dir: Path) -> list[str]:
    return ["run.py", "--params", "configs/params.yaml", "--mode", "train", flag, "--model_dir", str(model_dir)]


def _spent(arguments: Sequence[str], folder: Path) -> Spent:
    """A Python program, run to its end by itself."""
    begun = os.times().elapsed
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    process = subprocess.Popen(
        [sys.executable, *arguments], cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, f"{' '.join(arguments)} in {folder} ended with {process.returncode}"
    return Spent(used.ru_utime + used.ru_stime, os.times().elapsed - begun, used.ru_maxrss / 2**20)


def _times(
    name: str, runs: Sequence[Steps], imports: tuple[float, float, float], targets: tuple[float, float, float | None]
) -> list[Figure]:
    """imports, targets: seconds, of validating, compiling and compiling again."""
    figures = []
    kinds = [("validate", [r.validated for r in runs]), ("compile", [r.compiled for r in runs])]
    kinds.append(("cached compile", [r.cached for r in runs]))
    for (kind, spent), off, target in zip(kinds, imports, targets, strict=True):
        seconds = [each.cpu - off for each in spent]
        met = None if target is None else statistics.median(seconds) < target
        wanted = "" if target is None else f"< {target:g} s"
        figures.append(Figure(f"{name}: {kind}, without importing torch", "s", seconds, wanted, met))
        figures.append(Figure(f"{name}: {kind}, whole process by the clock", "s", [each.wall for each in spent]))
    memory = [max(each.memory for _, spent in kinds for each in spent[run : run + 1]) for run in range(len(runs))]
    figures.append(Figure(f"{name}: peak memory", "GiB", memory, f"< {MOST_MEMORY:g} GiB", max(memory) < MOST_MEMORY))
    return figures


def _fills(name: str, model_dir: Path, replicas: int | None) -> list[Figure]:
    """How much of the wafer works, and how near the interval is to the least there could be."""
    made = _placed(model_dir, replicas)
    name = f"{name} ({made.replicas} replica{'s' * (made.replicas > 1)})"
    return [
        Figure(f"{name}: active cores x balance", "%", [100 * made.fabric_utilization * made.balance]),
        Figure(f"{name}: interval", "cycles", [made.batch.interval]),
        Figure(f"{name}: upper bound, total cycles / cores", "cycles", [made.ideal]),
        Figure(f"{name}: fill, upper bound / interval", "%", [100 * made.placement_ratio]),
    ]


def _placed(model_dir: Path, replicas: int | None) -> Estimate:
    """With plain Adam, whatever the project's params say: what updates weights is no part of the interval."""
    (path,) = model_dir.glob("cs_*")
    program = read_executable(path)
    (entry,) = program.graphs
    adam = OptimizerSpec.from_params({"optimizer_type": "adam", "learning_rate": 1e-3})
    return estimate(lower(program, entry, adam), machine.load("cs2"), replicas=replicas)
