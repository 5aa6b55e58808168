"""A user's optimizer and schedules, as the data that the system takes."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from compat.pytorch import schedules
from compat.pytorch.optimizers import STEP, Optimizer
from wafer_sim.compiler.training import OptimizerSpec
from wafer_sim.runtime.schedules import learning_rate
from wire.errors import Refused


class Lion(torch.optim.SGD):
    """An optimizer that the system has not."""


@pytest.fixture
def net():
    return torch.nn.Linear(3, 2)


def names(net):
    return {parameter: name for name, parameter in net.named_parameters()}


def section(net, made):
    return Optimizer(made).section(names(net))


def test_a_class_and_its_numbers_become_the_section(net):
    """Betas, eps and rates of the user's own groups are those of the section; weight decay knows what it leaves out."""
    groups = [{"params": [net.weight], "weight_decay": 0.1}, {"params": [net.bias], "weight_decay": 0.0}]
    spec = OptimizerSpec.from_params(section(net, torch.optim.AdamW(groups, lr=0.01, betas=(0.8, 0.9), eps=1e-7)))
    assert spec.optimizer_type == "adamw"
    assert (spec.hyper["beta1"], spec.hyper["beta2"], spec.hyper["eps"]) == (0.8, 0.9, 1e-7)
    assert spec.hyper["correct_bias"]
    assert (spec.weight_decay_rate, spec.exclude_from_weight_decay) == (0.1, ("bias",))
    sgd = OptimizerSpec.from_params(section(net, torch.optim.SGD(net.parameters(), 0.5, momentum=0.9, nesterov=True)))
    assert (sgd.hyper["momentum"], sgd.hyper["use_nesterov"]) == (0.9, True)


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (lambda net: Lion(net.parameters(), 0.1), "no optimizer Lion"),
        (lambda net: torch.optim.SGD(net.parameters(), 0.1, momentum=0.9, dampening=0.5), "no dampening"),
        (
            lambda net: torch.optim.SGD([{"params": [p], "weight_decay": p.dim()} for p in net.parameters()], 0.1),
            "decay by 1.0, 2.0",
        ),
    ],
)
def test_what_the_system_has_not_is_refused(net, made, said):
    """A class, a setting or a second weight decay that would be lost is refused by name."""
    with pytest.raises(Refused, match=said):
        section(net, made(net))


def test_a_gradient_clipper_is_read(net):
    """Clipping of that time hangs on the optimizer: a function of torch.nn.utils, and a bound."""

    class Clipper:
        max_gradient_fn = staticmethod(torch.nn.utils.clip_grad_value_)
        max_gradient = 0.5

    ours = Optimizer(torch.optim.SGD(net.parameters(), 0.1))
    ours.gradient_clipper = Clipper()
    assert OptimizerSpec.from_params(ours.section(names(net))).max_gradient_value == 0.5


def test_schedules_follow_each_other_on_the_system(net):
    """Schedules made one after the other are one list; the system's rate at a step is theirs."""
    ours = Optimizer(torch.optim.SGD(net.parameters(), 0.1))
    schedules.Polynomial(ours, 0.0, 1.0, 10, 1.0, False, True)
    schedules.Exponential(ours, 1.0, 5, 0.5, True)
    schedules.CosineDecay(ours, 1.0, 0.1, 20)
    spec = OptimizerSpec.from_params(ours.section(names(net)))
    assert spec.disable_lr_steps_reset
    rate = learning_rate(spec.learning_rate[:1])
    assert [rate(step) for step in (0, 5, 20)] == pytest.approx([0.0, 0.5, 1.0])


@pytest.mark.parametrize(
    ("scheduler", "values", "step", "rate"),
    [
        (schedules.Constant, (0.3, None), 7, 0.3),
        (schedules.InverseExponentialTimeDecay, (1.0, 1, 10, 1.0, False), 10, 0.5),
        (schedules.CosineAnnealing, (1.0, 10, 0.0), 10, 0.0),
        (schedules.Step, (1.0, 0.5, 4), 8, 0.25),
        (schedules.MultiStep, (1.0, 0.1, [3, 6]), 4, 0.1),
    ],
)
def test_each_schedule_gives_its_rate(net, scheduler, values, step, rate):
    """The positional arguments of that time mean what they meant."""
    ours = Optimizer(torch.optim.SGD(net.parameters(), 0.1))
    scheduler(ours, *values)
    spec = OptimizerSpec.from_params(ours.section(names(net)))
    assert learning_rate(spec.learning_rate)(step) == pytest.approx(rate, abs=1e-7)


def test_a_schedule_that_is_code_is_refused(net):
    """Code does not travel to the system."""
    with pytest.raises(Refused, match="Lambda schedule is code"):
        schedules.Lambda(Optimizer(torch.optim.SGD(net.parameters(), 0.1)), 0.1)


def test_the_state_goes_to_the_system_and_back(net):
    """What the system says of a step is held by the user's optimizer, saved with the step, and loaded with it."""
    ours = Optimizer(torch.optim.SGD(net.parameters(), 0.1, momentum=0.9))
    state = {"weight/momentum_buffer": np.full((2, 3), 4.0, np.float32), "bias/momentum_buffer": np.ones(2, np.float32)}
    ours.take(state, names(net), 12)
    kept = ours.convert_state_dict_for_checkpoint(ours.state_dict())
    assert kept[STEP] == 12
    again = Optimizer(torch.optim.SGD(net.parameters(), 0.1, momentum=0.9))
    again.load_state_dict(kept)
    assert again.at_step == 12
    found = again.state_arrays(names(net))
    assert {name: array.tolist() for name, array in found.items()} == {n: a.tolist() for n, a in state.items()}
