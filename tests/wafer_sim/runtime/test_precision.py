"""float16 in float32 for speed, float16 emulated, and a scaled loss whose gradients overflow."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from clients.pytorch import PyTorchBaseModel
from clients.pytorch.capture import capture, initial_weights
from wafer_sim.compiler.precision import describe, narrow_of
from wafer_sim.compiler.program import GRADIENTS, Constant, Entry, Graph, Node, Program, Ref
from wafer_sim.compiler.training import OptimizerSpec
from wafer_sim.replicas import Replicas
from wafer_sim.runtime.precision import in_float32, mentions_float16, widely
from wafer_sim.runtime.seed import unseeded
from wafer_sim.runtime.torch_executor import TorchExecutor
from wire.errors import Refused

ROWS, WIDTH = 4, 8
ENTRY = Entry(GRADIENTS, ROWS)
BATCH = [np.linspace(-1, 1, ROWS * WIDTH, dtype=np.float32).reshape(ROWS, WIDTH), np.arange(ROWS) % 3]
FULL, FAST, EMULATED, BFLOAT16 = (
    {"mixed_precision": False},
    {"mixed_precision": True},
    {"mixed_precision": True, "emulate_float16": True},
    {"mixed_precision": True, "use_bfloat16": True},
)


class Model(PyTorchBaseModel):
    """Two layers, a soft-max and a loss."""

    def __init__(self, section: dict[str, Any]) -> None:
        torch.manual_seed(1)
        net = nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.ReLU(), nn.Linear(WIDTH, 3))
        optimizer = {"optimizer_type": "sgd", "learning_rate": 0.1}
        super().__init__({"model": section, "optimizer": optimizer, "runconfig": {"mode": "train"}}, net)

    def __call__(self, data: Any) -> torch.Tensor:
        x, labels = data
        return functional.nll_loss(functional.log_softmax(self.model(x), dim=1), labels)


def captured(section: dict[str, Any]) -> tuple[Program, dict[str, Any]]:
    model = Model(section)
    return capture(model, tuple(map(torch.from_numpy, BATCH)), [ENTRY]), initial_weights(model)


def opened(section: dict[str, Any], **optimizer: Any) -> TorchExecutor:
    keys = {"optimizer_type": "adam", "learning_rate": 0.01, **optimizer}
    return TorchExecutor(*captured(section), OptimizerSpec.from_params(keys))


def gradients(executor: TorchExecutor) -> list[torch.Tensor]:
    return list(executor.gradients(BATCH, seed=0, step=0, replica=0).tensors)


def test_without_emulation_float16_is_computed_as_float32() -> None:
    """The program says float16; the bits are those of a model without mixed precision."""
    program, _ = captured(FAST)
    assert narrow_of(program) == "float16"
    assert all(torch.equal(a, b) for a, b in zip(gradients(opened(FAST)), gradients(opened(FULL)), strict=True))


def test_with_emulation_values_are_rounded() -> None:
    """Gradients are close to float32's and not the same; weights stay in float32."""
    emulated, full = gradients(opened(EMULATED)), gradients(opened(FULL))
    assert not all(torch.equal(a, b) for a, b in zip(emulated, full, strict=True))
    for got, wanted in zip(emulated, full, strict=True):
        assert got.dtype == torch.float32
        torch.testing.assert_close(got, wanted, atol=2e-3, rtol=2e-2)


def test_a_float16_product_is_added_up_in_float32_and_rounded_once() -> None:
    """4,096 ones: in float16 alone the sum would stop at 2,048."""
    ones = torch.ones(1, 4096, dtype=torch.float16)
    result = widely(torch.mm, ones, ones.t())
    assert (result.dtype, result.item()) == (torch.float16, 4096)
    assert widely(torch.mm, torch.ones(1, 2), torch.ones(2, 1)).dtype == torch.float32


def test_only_float16_is_widened() -> None:
    """A cast to float16 becomes one to float32; one to bfloat16 stays."""
    casts = {
        name: Node("aten._to_copy.default", (Ref(0),), {"dtype": Constant("dtype", name)}, (1,))
        for name in ("float16", "bfloat16")
    }
    for name, node in casts.items():
        graph = Graph((node,), {"loss": Ref(1)})
        assert mentions_float16(graph) == (name == "float16")
        (found,) = in_float32(graph).nodes
        assert found.kwargs["dtype"] == Constant("dtype", "float32" if name == "float16" else name)


def test_the_emulation_belongs_to_the_executable() -> None:
    """It survives JSON and names another executable; without it the text is what it was before there was one."""
    fast, emulated = captured(FAST)[0], captured(EMULATED)[0]
    assert Program.from_json(emulated.to_json()) == emulated
    assert fast.digest() != emulated.digest()
    assert "emulate" not in fast.to_json()


@pytest.mark.parametrize(
    ("section", "said"),
    [
        (FULL, "float32 throughout"),
        (FAST, "float16's rounding and its overflow are not emulated"),
        (EMULATED, "float16 is emulated"),
        (BFLOAT16, "bfloat16 is the processor's own, so nothing is emulated"),
    ],
)
def test_a_compile_says_what_is_emulated(section: dict[str, Any], said: str) -> None:
    """One sentence for each precision."""
    assert said in describe(captured(section)[0])


def test_a_static_scale_of_a_power_of_two_changes_no_bit() -> None:
    """In float32 the loss scaled and the gradients unscaled again are the same."""
    states = []
    for factor in (1.0, 128.0):
        with Replicas(opened(FULL, loss_scaling_factor=factor), 1) as replicas:
            for step in range(3):
                replicas.step([BATCH], step)
            states.append(replicas._executor.state())
    assert all(np.array_equal(states[0].weights[name], states[1].weights[name]) for name in states[0].weights)


def test_gradients_are_those_of_the_scaled_loss() -> None:
    """What a replica hands over is scaled, its loss is not."""
    plain, scaled = opened(FULL), opened(FULL, loss_scaling_factor=128.0)
    one, other = (e.gradients(BATCH, seed=0, step=0, replica=0) for e in (plain, scaled))
    assert one.loss == other.loss
    assert all(torch.equal(128 * a, b) for a, b in zip(one.tensors, other.tensors, strict=True))


def test_an_overflow_skips_the_step_and_halves_the_scale() -> None:
    """Emulated, too large a scale gives infinite gradients; weights and optimizer wait for a good step."""
    keys = {"initial_loss_scale": 2.0**24, "max_loss_scale": 2.0**24, "steps_per_increase": 2}
    executor = opened(EMULATED, loss_scaling_factor="dynamic", **keys)
    first = executor.state()
    skipped, scales = [], []
    with Replicas(executor, 1) as replicas:
        for step in range(20):
            result = replicas.step([BATCH], step)
            assert result.applied
            assert math.isfinite(result.loss)
            assert executor.loss_scale is not None
            skipped.append(executor.loss_scale.skipped)
            scales.append(executor.loss_scale.scale)
            if skipped[-1] == step + 1:
                now = executor.state()
                assert all(np.array_equal(now.weights[name], first.weights[name]) for name in first.weights)
                assert now.optimizer == {}
    assert skipped[0] == 1
    assert scales[0] == 2.0**23
    assert 1 < skipped[-1] < 20
    assert not np.array_equal(executor.state().weights["0.weight"], first.weights["0.weight"])


def test_a_state_in_the_middle_of_scaling_goes_on_with_the_same_bits() -> None:
    """Stopped at any step and loaded elsewhere: the same weights, the same scale, the same number of skipped steps."""
    keys = {"loss_scaling_factor": "dynamic", "initial_loss_scale": 2.0**22, "max_loss_scale": 2.0**22}
    whole = opened(EMULATED, steps_per_increase=2, **keys)
    parts = opened(EMULATED, steps_per_increase=2, **keys)
    for step in range(14):
        whole.apply(whole.gradients(BATCH, seed=0, step=step, replica=0).tensors, step)
        parts.apply(parts.gradients(BATCH, seed=0, step=step, replica=0).tensors, step)
        state = parts.state()
        parts = opened(EMULATED, steps_per_increase=2, **keys)
        parts.load(state)
        assert parts.loss_scale == whole.loss_scale
    left, right = whole.state(), parts.state()
    assert left.scalars == right.scalars
    assert left.scalars["skipped_steps"] >= 2
    for one, other in ((left.weights, right.weights), (left.optimizer, right.optimizer)):
        assert one.keys() == other.keys()
        assert all(one[name].tobytes() == other[name].tobytes() for name in one)


def test_a_graph_that_hides_its_beginning_cannot_be_scaled() -> None:
    """A program without the one that its backward pass begins with is refused where a scale is asked for."""
    program, weights = captured(FULL)
    graph, seeds = unseeded(program.graphs[ENTRY])
    one = Node("aten.scalar_tensor.default", (1.0,), {}, (seeds[0],))
    hidden = Program(program.parameters, program.inputs, {ENTRY: Graph((one, *graph.nodes), graph.outputs)})
    spec = OptimizerSpec.from_params({"optimizer_type": "sgd", "learning_rate": 1, "loss_scaling_factor": 2})
    with pytest.raises(Refused, match="the loss cannot be scaled"):
        TorchExecutor(hidden, weights, spec)
