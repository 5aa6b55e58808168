"""What interpreting a program costs: FC-MNIST's training step against the same model in torch's eager mode.

Same weights, same batch, same fused optimizer, same threads, in turn.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable

import numpy as np
import torch

from benchmarks.measure import Figure, Result
from clients.fc_mnist.pytorch.model import MNISTModel
from clients.pytorch.capture import capture, initial_weights
from clients.pytorch.precision import mixed_precision
from wafer_sim.compiler.program import GRADIENTS, Entry
from wafer_sim.compiler.training import OptimizerSpec
from wafer_sim.replicas import Replicas
from wafer_sim.runtime.optimizers import Optimizer
from wafer_sim.runtime.torch_executor import TorchExecutor

ROUNDS = 9
STEPS = 150
BATCH = 256
TARGET = 1.05
OPTIMIZER = {"optimizer_type": "adam", "learning_rate": 1e-3}


def measure() -> Result:
    """Alternating rounds in float32 and in mixed precision."""
    figures = [figure for mixed in (False, True) for figure in _precision(mixed)]
    notes = f"{STEPS} steps of {BATCH} a round, {os.cpu_count()} threads, one warm-up. A low ratio is good."
    return Result("executor", "python -m benchmarks executor", figures, notes)


def _precision(mixed: bool) -> list[Figure]:
    threads = os.cpu_count() or 1
    torch.set_num_threads(threads)
    model = MNISTModel(_params(mixed))
    image, label = torch.randn(BATCH, 1, 28, 28), torch.randint(0, 10, (BATCH,))
    spec = OptimizerSpec.from_params(OPTIMIZER)
    program = capture(model, (image, label), [Entry(GRADIENTS, BATCH)])
    executor = TorchExecutor(program, initial_weights(model), spec, threads=threads)
    arrays = [image.numpy(), label.numpy()]
    with Replicas(executor, 1) as replicas:
        ours = _rounds(lambda step: replicas.step([arrays], step), _eager(model, spec, image, label, mixed))
    name = "bfloat16" if mixed else "float32"
    ratios = [a / b for a, b in zip(*ours, strict=True)]
    return [
        Figure(f"{name}: interpreted step", "ms", ours[0]),
        Figure(f"{name}: eager step", "ms", ours[1]),
        Figure(f"{name}: ratio", "", ratios, f"<= {TARGET}", float(np.median(ratios)) <= TARGET),
    ]


def _eager(
    model: MNISTModel, spec: OptimizerSpec, image: torch.Tensor, label: torch.Tensor, mixed: bool
) -> Callable[[int], object]:
    named = dict(model.model.named_parameters())
    optimizer = Optimizer(spec, named)
    model.train()

    def step(number: int) -> float:
        for parameter in named.values():
            parameter.grad = None
        with mixed_precision(mixed, "cpu"):
            loss = model((image, label))
        loss.backward()
        optimizer.step(number)
        return float(loss.detach())

    return step


def _rounds(ours: Callable[[int], object], eager: Callable[[int], object]) -> tuple[list[float], list[float]]:
    times: tuple[list[float], list[float]] = ([], [])
    for number in range(ROUNDS + 1):
        for run, series in zip((ours, eager), times, strict=True):
            begun = time.perf_counter()
            for step in range(STEPS):
                run(number * STEPS + step)
            if number:
                series.append((time.perf_counter() - begun) / STEPS * 1e3)
    return times


def _params(mixed: bool) -> dict[str, dict[str, object]]:
    return {
        "model": {
            "hidden_sizes": [500, 300],
            "activation_fn": "relu",
            "dropout": 0.0,
            "mixed_precision": mixed,
            "to_float16": False,
        },
        "optimizer": dict(OPTIMIZER),
        "runconfig": {"mode": "train", "seed": 1},
    }
