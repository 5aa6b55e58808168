"""The networks of the documents, in plain torch: captured, they train as they do eagerly, in both execution modes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from clients.pytorch.capture import capture, initial_weights
from wafer_sim.compiler.program import GRADIENTS, Entry
from wafer_sim.compiler.training import OptimizerSpec
from wafer_sim.replicas import Replicas
from wafer_sim.runtime import layered_plan
from wafer_sim.runtime.protocol import Executor
from wafer_sim.runtime.streamed_executor import StreamedExecutor
from wafer_sim.runtime.torch_executor import TorchExecutor

STEPS, WIDTH, LAYERS = 10, 32, 2

ADAM = {"optimizer_type": "adam", "learning_rate": 3e-3}
ADAMW = {"optimizer_type": "adamw", "learning_rate": 3e-3, "correct_bias": True, "weight_decay_rate": 0.01}
ADAFACTOR = {"optimizer_type": "adafactor", "learning_rate": 1e-2}


def adam(net: torch.nn.Module) -> torch.optim.Optimizer:
    return torch.optim.Adam(net.parameters(), 3e-3, eps=1e-6)


def adamw(net: torch.nn.Module) -> torch.optim.Optimizer:
    """Biases and norms are not decayed."""
    decayed: dict[bool, list[torch.nn.Parameter]] = {True: [], False: []}
    for name, weight in net.named_parameters():
        decayed["norm" not in name and "bias" not in name].append(weight)
    groups = [{"params": decayed[True], "weight_decay": 0.01}, {"params": decayed[False], "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, 3e-3, eps=1e-6)


def adafactor(net: torch.nn.Module) -> torch.optim.Optimizer:
    return torch.optim.Adafactor(net.parameters(), 1e-2)


Made = Callable[[torch.nn.Module], torch.optim.Optimizer]
TRAINED: dict[str, tuple[dict[str, Any], Made]] = {
    "bert": (ADAMW, adamw),
    "gpt2": (ADAM, adam),
    "t5": (ADAFACTOR, adafactor),
    "unet": (ADAM, adam),
}


def net_of(networks: ModuleType, name: str) -> torch.nn.Module:
    """Two layers, 32 wide, without dropout: what that draws is not what torch draws."""
    torch.manual_seed(1)
    sizes = {"layers": LAYERS, "width": WIDTH}
    return {
        "bert": lambda: networks.Bert(words=networks.WORDS, length=networks.LENGTH, heads=4, dropout=0.0, **sizes),
        "gpt2": lambda: networks.Gpt2(dropout=0.0, **sizes),
        "t5": lambda: networks.T5(**sizes),
        "unet": lambda: networks.UNet(channels=3, width=8, levels=LAYERS),
    }[name]()


class Trained:
    """One network with the losses of ten steps: eagerly, layer-pipelined, in weight streaming."""

    def __init__(self, networks: ModuleType, name: str, folder: Path) -> None:
        section, made = TRAINED[name]
        self._batch = networks.batch(name)
        model = networks.Model(net_of(networks, name), False)
        program = capture(model, self._batch, [Entry(GRADIENTS, networks.ROWS)])
        weights, spec = initial_weights(model), OptimizerSpec.from_params(section)
        self.pipelined = self._run(TorchExecutor(program, weights, spec))
        self.streamed = self._run(StreamedExecutor(program, weights, spec, directory=folder))
        self.eager = self._eagerly(model.model, made)

    def _run(self, executor: Executor) -> list[float]:
        arrays = [field.numpy() for field in self._batch]
        with Replicas(executor, 1, seed=1) as replicas:
            return [replicas.step([arrays], step).losses[0] for step in range(STEPS)]

    def _eagerly(self, net: torch.nn.Module, made: Made) -> list[float]:
        optimizer, losses = made(net), []
        net.train()
        for _ in range(STEPS):
            optimizer.zero_grad()
            loss = net(*self._batch)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        return losses


@pytest.fixture(scope="module", params=sorted(TRAINED))
def trained(networks: ModuleType, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(layered_plan, "LEAST_LAYER_BYTES", 0)
        return Trained(networks, request.param, tmp_path_factory.mktemp(request.param))


def test_the_losses_are_those_of_eager_torch(trained: Trained) -> None:
    """Ten steps with torch's own optimizer, within rounding; and they do go down."""
    assert trained.pipelined == pytest.approx(trained.eager, rel=1e-5)
    assert trained.eager[-1] < 0.9 * trained.eager[0]


def test_both_modes_have_the_same_losses(trained: Trained) -> None:
    """To the bit, with every layer's weights fetched for its turn."""
    assert trained.streamed == trained.pipelined
