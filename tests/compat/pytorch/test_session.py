"""What a loop is told of a run, and what its objects hold then."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from clients.job import Job
from clients.sections import RunConfig
from compat.pytorch import jobs
from compat.pytorch.jobs import Environment
from compat.pytorch.loop import Loop
from compat.pytorch.optimizers import Optimizer
from compat.pytorch.session import Driver
from wafer_sim.checkpoints import Checkpoint
from wafer_sim.runtime.protocol import State
from wire.errors import InvalidInput

SEEN = {"loss": np.float32(0.5), "0": np.arange(3)}


@pytest.fixture
def loop():
    made = Loop()
    made.module = torch.nn.Linear(2, 1)
    made.function = made.module
    made.optimizer = Optimizer(torch.optim.SGD(made.module.parameters(), 0.1, momentum=0.9))
    made.total_steps, made.checkpoint_steps = 4, 2
    return made


def driver(loop, run, mode="train"):
    return Driver(loop, run, Job({}, RunConfig(mode=mode), Path("p"), Path("m"), mode))


def test_an_evaluated_batch_is_asked_for_once(loop):
    """Its loss and the values for closures come together, and scalars among them are tensors too."""
    asked = []
    told = driver(loop, SimpleNamespace(values=lambda step: asked.append(step) or SEEN), "eval")
    values = told.values(1)
    assert (values["0"].tolist(), values["loss"].item(), told.loss(1)) == ([0, 1, 2], 0.5, 0.5)
    assert asked == [1]
    assert told.is_settled


def test_a_saved_step_is_held_before_anybody_looks(loop):
    """Module and optimizer get the state of the step, counted from where the run began; other steps get nothing."""
    state = State(
        {"weight": np.full((1, 2), 3, np.float32), "bias": np.ones(1, np.float32)},
        {"weight/momentum_buffer": np.full((1, 2), 2, np.float32)},
        {"optimizer_type": "sgd", "loss_scale": 8.0},
    )
    told = driver(loop, SimpleNamespace(first=10, checkpoint=lambda step: Checkpoint(step, state)))
    loop.run_step = 1
    told.settle(1)
    assert loop.optimizer.at_step == 0
    assert not told.is_settled
    loop.run_step = 2
    told.settle(2)
    assert loop.module.weight.tolist() == [[3, 3]]
    assert loop.optimizer.state[loop.module.weight]["momentum_buffer"].tolist() == [[2, 2]]
    assert (loop.optimizer.at_step, loop.precision.state) == (12, {"loss_scale": 8.0})
    assert told.is_settled


def test_a_loop_is_a_job_of_today(loop, tmp_path):
    """It begins after the updates that its optimizer has seen, in a new folder each time."""
    loop.optimizer.at_step, loop.fetch_steps, loop.replicas = 6, 3, -1
    environment = Environment(service_workdir=str(tmp_path), cs_ip="h:9000")
    job = jobs.job_of(loop, environment)
    assert (job.config.max_steps, job.counted_from, job.config.log_steps) == (10, 6, 3)
    assert (job.config.multireplica, job.config.num_replicas) == (True, None)
    assert job.params["optimizer"]["optimizer_type"] == "sgd"
    assert [job.model_dir.name, jobs.job_of(loop, environment).model_dir.name] == ["train_1", "train_2"]
    assert jobs.state_of(loop, 6).scalars == {"optimizer_type": "sgd"}
    assert not jobs.state_of(loop, 0).scalars


def test_a_parameter_without_a_group_is_named(loop):
    """The system would train it, and the user's optimizer would not."""
    loop.optimizer = Optimizer(torch.optim.SGD([loop.module.bias], 0.1))
    with pytest.raises(InvalidInput, match="holds 'weight'"):
        jobs.captured(loop, Job({}, RunConfig(), Path("p"), Path("m"), "train"))
