"""What streaming costs: FC-MNIST through workers and gRPC against the same executable fed from memory.

Both train on the same threads, in turn. The one from memory gets batches that have landed before the clock starts, so
its rate is the limit: no input work at all.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.measure import Figure, Result
from benchmarks.service import coordinator, train
from clients import params as params_files
from clients.fc_mnist.pytorch.data import get_train_dataloader
from wafer_sim import checkpoints
from wafer_sim.compiler.program import Program
from wafer_sim.compiler.training import OptimizerSpec
from wafer_sim.executables import read_executable
from wafer_sim.meter import Meter
from wafer_sim.replicas import Replicas, threads_of
from wafer_sim.runtime.torch_executor import TorchExecutor

RUNS = 5
STEPS = 2000
TARGET = 0.85


def measure() -> Result:
    """Alternating runs; the ratio is taken pair by pair."""
    streamed, in_memory = [], []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with coordinator(folder) as (address, _):
            for run in range(RUNS + 1):
                model_dir = folder / f"run{run}"
                through = train(address, model_dir, "--max_steps", str(STEPS))["samples_per_sec"]
                memory = from_memory(model_dir, STEPS)
                if run:
                    streamed.append(through)
                    in_memory.append(memory)
    ratios = [a / b for a, b in zip(streamed, in_memory, strict=True)]
    median = float(np.median(ratios))
    figures = [
        Figure("through two workers and gRPC", "samples/s", streamed),
        Figure("the same executable from memory", "samples/s", in_memory),
        Figure("ratio", "", ratios, f">= {TARGET}", median >= TARGET),
    ]
    return Result("overhead", "python -m benchmarks overhead", figures, f"{STEPS} steps a run, one warm-up pair.")


def from_memory(model_dir: Path, steps: int) -> float:
    """Samples per second of the executable of a finished run, fed with landed batches."""
    program = read_executable(next(model_dir.glob("cs_*")))
    assert isinstance(program, Program)
    params = params_files.load(model_dir / "train" / "params_train.yaml")
    optimizer = OptimizerSpec.from_params(params["optimizer"])
    initial = checkpoints.read(model_dir / "checkpoint_0")
    executor = TorchExecutor(program, initial.state.weights, optimizer, threads=threads_of(1))
    batches = landed_batches(params, [tensor.dtype for tensor in program.inputs])
    with Replicas(executor, 1) as replicas:
        meter = Meter(time.perf_counter())
        for step in range(steps):
            batch = batches[step % len(batches)]
            replicas.step([batch], step)
            meter.step(time.perf_counter(), len(batch[0]), 0.0)
    return meter.reading().rate


def landed_batches(params: dict[str, object], dtypes: list[str]) -> list[list[np.ndarray]]:
    """Sixty-four batches as a replica takes them, each in memory of its own."""
    batches: list[list[np.ndarray]] = []
    for batch in get_train_dataloader(params):
        batches.append([np.ascontiguousarray(t.numpy(), dtype=d) for t, d in zip(batch, dtypes, strict=True)])
        if len(batches) == 64:
            break
    return batches
