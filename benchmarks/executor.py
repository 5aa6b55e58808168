"""What interpreting a program costs: a training step of FC-MNIST and of a small transformer against torch's eager mode.

Same weights, same batch, same fused optimizer, same threads, in turn, a few steps at a time.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import torch

from benchmarks.measure import Figure, Result
from benchmarks.small_transformer import TOKENS, WORDS, TransformerModel
from clients.fc_mnist.pytorch.model import MNISTModel
from clients.pytorch.capture import capture, initial_weights
from clients.pytorch.model import PyTorchBaseModel
from clients.pytorch.precision import mixed_precision
from wafer_sim.compiler.program import GRADIENTS, Entry
from wafer_sim.compiler.training import OptimizerSpec
from wafer_sim.replicas import Replicas
from wafer_sim.runtime.optimizers import Optimizer
from wafer_sim.runtime.torch_executor import TorchExecutor

ROUNDS, TURNS = 9, 10
SECONDS = 0.1
IMAGES, SENTENCES = 256, 16
TARGET = 1.0
OPTIMIZER = {"optimizer_type": "adam", "learning_rate": 1e-3}
FLOAT32: dict[str, object] = {"mixed_precision": False}
MIXED: dict[str, object] = {"mixed_precision": True}
PRECISIONS: dict[str, dict[str, object]] = {
    "float32": FLOAT32,
    "bfloat16": MIXED | {"use_bfloat16": True},
    "float16 emulated": MIXED | {"emulate_float16": True},
}

Step = Callable[[int], object]


def measure() -> Result:
    """Alternating turns, in float32 and in mixed precision."""
    figures = _compared("FC-MNIST", "float32", TARGET) + _compared("FC-MNIST", "bfloat16")
    figures += _compared("transformer", "float32", TARGET) + _compared("transformer", "bfloat16")
    figures += [_emulated("FC-MNIST"), _emulated("transformer")]
    notes = (
        f"{ROUNDS} rounds of {TURNS} turns of {SECONDS} s each, {os.cpu_count()} threads. A ratio is the eager step's "
        f"time over ours, medians over the turns of a round: above 1 ours is quicker. {IMAGES} images, {SENTENCES} x "
        f"{TOKENS} tokens a step. The emulation of float16 is compared with our own float32."
    )
    return Result("executor", "python -m benchmarks executor", figures, notes)


def _compared(name: str, precision: str, target: float | None = None) -> list[Figure]:
    model, batch = _model(name, precision)
    ours, eager = _rounds(_interpreted(model, batch), _eager(model, batch))
    ratios = [theirs / mine for mine, theirs in zip(ours, eager, strict=True)]
    met = None if target is None else statistics.median(ratios) >= target
    return [
        Figure(f"{name}, {precision}: interpreted step", "ms", ours),
        Figure(f"{name}, {precision}: eager step", "ms", eager),
        Figure(f"{name}, {precision}: ratio", "", ratios, "" if target is None else f">= {target}", met),
    ]


def _emulated(name: str) -> Figure:
    """What the emulation of float16 costs."""
    steps = [_interpreted(*_model(name, precision)) for precision in ("float16 emulated", "float32")]
    times = _rounds(*steps)
    ratios = [emulated / plain for emulated, plain in zip(*times, strict=True)]
    return Figure(f"{name}, float16 emulated: time over float32", "", ratios)


def _model(name: str, precision: str) -> tuple[PyTorchBaseModel, list[torch.Tensor]]:
    params = _params(PRECISIONS[precision])
    generator = torch.Generator().manual_seed(1)
    draw = partial(torch.randint, generator=generator)
    if name == "transformer":
        return TransformerModel(params), [draw(0, WORDS, (SENTENCES, TOKENS)) for _ in range(2)]
    return MNISTModel(params), [torch.randn(IMAGES, 1, 28, 28, generator=generator), draw(0, 10, (IMAGES,))]


def _interpreted(model: PyTorchBaseModel, batch: list[torch.Tensor]) -> Step:
    threads = os.cpu_count() or 1
    program = capture(model, tuple(batch), [Entry(GRADIENTS, len(batch[0]))])
    executor = TorchExecutor(program, initial_weights(model), _spec(), threads=threads)
    arrays, replicas = [tensor.numpy() for tensor in batch], Replicas(executor, 1)
    return lambda step: replicas.step([arrays], step)


def _eager(model: PyTorchBaseModel, batch: list[torch.Tensor]) -> Step:
    torch.set_num_threads(os.cpu_count() or 1)
    named = dict(model.model.named_parameters())
    optimizer = Optimizer(_spec(), named)
    model.train()

    def step(number: int) -> float:
        for parameter in named.values():
            parameter.grad = None
        with mixed_precision(model.precision.off_the_wafer("cpu")):
            loss = model(tuple(batch))
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step(number)
        return float(loss.detach())

    return step


def _rounds(*runs: Step) -> tuple[list[float], ...]:
    """For each of the steps its time in every round, in ms. A first round warms up and does not count."""
    medians: tuple[list[float], ...] = tuple([] for _ in runs)
    for number in range(ROUNDS + 1):
        turns: list[list[float]] = [[] for _ in runs]
        for turn in range(TURNS):
            for run, times in zip(runs, turns, strict=True):
                times.append(_turn(run, turn))
        for series, times in zip(medians, turns, strict=True):
            if number:
                series.append(statistics.median(times))
    return medians


def _turn(run: Step, number: int) -> float:
    begun, steps = time.perf_counter(), 0
    while (spent := time.perf_counter() - begun) < SECONDS:
        run(number + steps)
        steps += 1
    return spent / steps * 1e3


def _spec() -> OptimizerSpec:
    return OptimizerSpec.from_params(OPTIMIZER)


def _params(precision: dict[str, object]) -> dict[str, Any]:
    network = {"hidden_sizes": [500, 300], "activation_fn": "relu", "dropout": 0.0, "to_float16": False}
    return {
        "model": network | precision,
        "optimizer": dict(OPTIMIZER),
        "runconfig": {"mode": "train", "seed": 1},
    }
