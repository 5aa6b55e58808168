"""Optimizers built from data."""

from __future__ import annotations

import math
import subprocess
import sys
from typing import Any

import pytest
import torch

from wafer_sim.compiler.training import HYPER_PARAMETERS, OptimizerSpec
from wafer_sim.runtime.optimizers import Optimizer, build_optimizer


def spec(kind: str, **more: Any) -> OptimizerSpec:
    return OptimizerSpec.from_params({"optimizer_type": kind, "learning_rate": 0.05, **more})


def weights() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return {
        "fc.weight": torch.randn(3, 4, generator=generator),
        "fc.bias": torch.randn(3, generator=generator),
        "norm.weight": torch.randn(3, generator=generator),
    }


def gradients(step: int) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(100 + step)
    return [torch.randn(w.shape, generator=generator) for w in weights().values()]


def trained(made: OptimizerSpec, steps: int = 4) -> dict[str, torch.Tensor]:
    named = weights()
    optimizer = Optimizer(made, named)
    for step in range(steps):
        optimizer.apply(gradients(step), step)
    return named


def reference(cls: Any, steps: int = 4, **options: Any) -> dict[str, torch.Tensor]:
    named = weights()
    optimizer = cls(named.values(), lr=0.05, **options)
    for step in range(steps):
        for parameter, gradient in zip(named.values(), gradients(step), strict=True):
            parameter.grad = gradient
        optimizer.step()
    return named


@pytest.mark.parametrize(
    ("kind", "options", "cls", "same"),
    [
        ("sgd", {"momentum": 0.9, "use_nesterov": True}, torch.optim.SGD, {"momentum": 0.9, "nesterov": True}),
        ("adam", {}, torch.optim.Adam, {"eps": 1e-6}),
        ("adamw", {"correct_bias": True}, torch.optim.AdamW, {"eps": 1e-6, "weight_decay": 0}),
        ("adamax", {}, torch.optim.Adamax, {"eps": 1e-6}),
        ("adadelta", {}, torch.optim.Adadelta, {"rho": 0.9, "eps": 1e-6}),
        ("adafactor", {}, torch.optim.Adafactor, {"weight_decay": 0}),
        ("adagrad", {}, torch.optim.Adagrad, {"eps": 1e-6}),
        ("asgd", {}, torch.optim.ASGD, {"t0": 1e-6}),
        ("nadam", {}, torch.optim.NAdam, {"eps": 1e-6}),
        ("radam", {}, torch.optim.RAdam, {"eps": 1e-6}),
        ("rmsprop", {"momentum": 0.5}, torch.optim.RMSprop, {"eps": 1e-6, "momentum": 0.5}),
        ("rprop", {}, torch.optim.Rprop, {}),
    ],
)
def test_the_steps_are_those_of_torch(kind: str, options: Any, cls: Any, same: Any) -> None:
    """The quick implementations give what torch's plain ones give."""
    for got, want in zip(trained(spec(kind, **options)).values(), reference(cls, **same).values(), strict=True):
        torch.testing.assert_close(got, want, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", sorted(HYPER_PARAMETERS))
def test_state_continues_bit_for_bit(kind: str) -> None:
    """Two steps, state out, state into a new optimizer, two steps: the bits of four steps."""
    first, then = weights(), weights()
    saver = Optimizer(spec(kind), first)
    for step in range(2):
        saver.apply(gradients(step), step)
    for name, value in first.items():
        then[name].copy_(value)
    loader = Optimizer(spec(kind), then)
    loader.load(saver.state(), saver.scalars())
    for step in range(2, 4):
        saver.apply(gradients(step), step)
        loader.apply(gradients(step), step)
    assert all(torch.equal(first[name], then[name]) for name in first)
    assert saver.state().keys() == loader.state().keys()


def test_lamb_moves_by_its_trust_ratio() -> None:
    """The first step of LAMB is rate * min(|w|, 10) / |u| * u, with u = m / (sqrt(v) + eps)."""
    weight, grad = weights()["fc.weight"], gradients(0)[0]
    update = 0.1 * grad / ((0.001 * grad * grad).sqrt() + 1e-6)
    expected = weight - 0.05 * min(weight.norm().item(), 10) / update.norm() * update
    torch.testing.assert_close(trained(spec("lamb"), steps=1)["fc.weight"], expected)
    plain = weight - 0.05 * update
    torch.testing.assert_close(trained(spec("lamb", adam=True), steps=1)["fc.weight"], plain)
    torch.testing.assert_close(trained(spec("adamw"), steps=1)["fc.weight"], plain)


@pytest.mark.parametrize("kind", ["sgd", "adam", "adamw", "lamb"])
def test_biases_and_norms_do_not_decay(kind: str) -> None:
    """Weight decay changes the matrix and nothing else."""
    with_decay, without = trained(spec(kind, weight_decay_rate=0.5)), trained(spec(kind))
    assert not torch.equal(with_decay["fc.weight"], without["fc.weight"])
    assert torch.equal(with_decay["fc.bias"], without["fc.bias"])
    assert torch.equal(with_decay["norm.weight"], without["norm.weight"])


def test_gradients_are_clipped_by_norm_or_by_value() -> None:
    """SGD at rate 1 moves by the clipped gradient."""
    for limit in ({"max_gradient_norm": 0.5}, {"max_gradient_value": 0.1}):
        before, named = weights(), weights()
        Optimizer(spec("sgd", **limit), named).apply(gradients(0), 0)
        moves = torch.cat([(before[name] - named[name]).flatten() for name in named]) / 0.05
        if "max_gradient_norm" in limit:
            assert moves.norm().item() == pytest.approx(0.5, rel=1e-4)
        else:
            assert moves.abs().max().item() == pytest.approx(0.1, rel=1e-4)


def test_the_schedule_sets_the_rate_of_each_step() -> None:
    """Step 0 has the first value, step 1 the second."""
    schedule = {"scheduler": "PiecewiseConstant", "values": [1.0, 0.0], "boundaries": [1]}
    made = OptimizerSpec.from_params({"optimizer_type": "sgd", "learning_rate": schedule})
    named, before = weights(), weights()
    optimizer = Optimizer(made, named)
    optimizer.apply(gradients(0), 1)
    assert all(torch.equal(named[name], before[name]) for name in named)
    optimizer.apply(gradients(0), 0)
    assert not torch.equal(named["fc.weight"], before["fc.weight"])


def test_scaled_gradients_move_the_weights_as_plain_ones() -> None:
    """Gradients of 128 times the loss are divided before they are clipped and used."""
    plain, scaled = weights(), weights()
    limit = {"max_gradient_norm": 0.5}
    assert Optimizer(spec("sgd", **limit), plain).apply(gradients(0), 0)
    assert Optimizer(spec("sgd", loss_scaling_factor=128.0, **limit), scaled).apply([128 * g for g in gradients(0)], 0)
    assert all(torch.equal(plain[name], scaled[name]) for name in plain)


@pytest.mark.parametrize("bad", [math.inf, -math.inf, math.nan])
def test_a_gradient_that_is_no_number_skips_the_step(bad: float) -> None:
    """One such element of one gradient is enough; neither weights nor the optimizer's state move, and it is counted."""
    named, before = weights(), weights()
    optimizer = Optimizer(spec("adam", loss_scaling_factor="dynamic", initial_loss_scale=8.0), named)
    broken = gradients(0)
    broken[-1].view(-1)[0] = bad
    assert not optimizer.apply(broken, 0)
    assert all(torch.equal(named[name], before[name]) for name in named)
    assert optimizer.state() == {}
    assert optimizer.scalars() == {
        "optimizer_type": "adam",
        "loss_scale": 4.0,
        "loss_scale_good_steps": 0,
        "skipped_steps": 1,
    }


def test_without_scaling_nothing_is_said_of_it() -> None:
    """A checkpoint of a run without loss scaling holds what it held before there was any."""
    assert Optimizer(spec("adam"), weights()).scalars() == {"optimizer_type": "adam"}


def test_a_gradient_laid_out_otherwise_gives_the_same_step() -> None:
    """Fused kernels walk memory; a transposed gradient is laid out again first."""
    named, other = {"w": torch.ones(3, 4)}, {"w": torch.ones(3, 4)}
    gradient = torch.randn(4, 3).t()
    Optimizer(spec("adam"), named).apply([gradient], 0)
    Optimizer(spec("adam"), other).apply([gradient.contiguous()], 0)
    assert torch.equal(named["w"], other["w"])


def test_build_optimizer_starts_at_the_rate_of_step_0() -> None:
    """It is an ordinary torch optimizer for whoever trains without the wafer."""
    made = build_optimizer(spec("adam"), weights())
    assert isinstance(made, torch.optim.Adam)
    assert [group["lr"] for group in made.param_groups] == [0.05, 0.05]


def test_nothing_that_traces_is_imported_for_an_optimizer() -> None:
    """torch's tracer takes a second to import, of every run's start, and has nothing to do here."""
    program = """
import sys, torch
from wafer_sim.compiler.training import OptimizerSpec
from wafer_sim.runtime.optimizers import _BUILDERS, Optimizer
for kind in _BUILDERS:
    spec = OptimizerSpec.from_params({"optimizer_type": kind, "learning_rate": 0.1})
    optimizer = Optimizer(spec, {"w": torch.ones(3, 4, requires_grad=True)})
    assert optimizer.apply([torch.ones(3, 4)], 0) and optimizer.inner.state_dict()
assert "torch._dynamo" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
