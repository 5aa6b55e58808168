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
from compat.pytorch import session as sessions
from compat.pytorch.jobs import Environment
from compat.pytorch.loop import Loop
from compat.pytorch.optimizers import Optimizer
from compat.pytorch.session import Driver, Session
from wafer_sim.checkpoints import Checkpoint
from wafer_sim.runtime.protocol import State
from wire.errors import InvalidInput
from wire.v1.coordinator_pb2 import RunStatus
from wire.v1.run_pb2 import RunSpec

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


def test_a_state_that_the_chief_before_had_is_not_held(loop):
    """Module and optimizer stay as they are; later states are held as ever."""
    state = State({"weight": np.full((1, 2), 3, np.float32), "bias": np.ones(1, np.float32)})
    states = {2: None, 4: Checkpoint(4, state)}
    told = driver(loop, SimpleNamespace(first=0, checkpoint=states.get))
    before = loop.module.weight.tolist()
    loop.run_step = 2
    told.settle(2)
    assert loop.module.weight.tolist() == before
    assert (told.is_taken, told.is_settled) == (True, True)
    loop.run_step = 4
    told.settle(4)
    assert loop.module.weight.tolist() == [[3, 3]]
    assert not told.is_taken


def test_a_training_loop_goes_on_in_the_folder_that_is_there(loop, tmp_path, monkeypatch):
    """With the seed of the run, whatever this task's own is; an evaluation begins again in a folder of its own."""
    environment = Environment(service_workdir=str(tmp_path), cs_ip="h:9000")
    there = jobs.job_of(loop, environment)
    left = RunStatus(spec=RunSpec(model_dir=str(there.model_dir), seed=7))
    assert (there.config.keep_checkpoint_max, there.succeeds) == (2, False)
    monkeypatch.setenv("WAFER_RANK", "1")
    monkeypatch.setenv("WAFER_TASKS", "2")
    job = jobs.job_of(loop, environment, left)
    assert (job.model_dir, job.config.seed, job.succeeds) == (there.model_dir, 7, True)
    assert job.config.keep_checkpoint_max == 0
    loop.mode = "eval"
    job = jobs.job_of(loop, environment, left)
    assert (job.model_dir.name, job.config.seed, job.succeeds) == ("eval_1", 7, False)


class Leading:
    """Says that it is closed, and what it cancels."""

    def __init__(self):
        self.said = []

    def close(self):
        self.said.append("closed")

    def cancel(self, run_id):
        self.said.append(run_id)


def test_an_evaluation_takes_the_place_of_the_one_left_behind(loop, tmp_path):
    """With a worker of its own; the other one ends once this one is there."""
    session = Session(loop, Environment(service_workdir=str(tmp_path)), [], "eval")
    loop.mode, session._leading = "eval", Leading()
    job = jobs.job_of(loop, session._environment)
    assert session._anew(job, None) is job
    anew = session._anew(job, RunStatus(run_id="r"))
    assert anew.config.num_workers == 1
    anew.on_begun(print)
    assert session._leading.said == ["r"]


@pytest.mark.parametrize("tasks", ["1", "2"])
def test_tasks_stand_under_one_name(loop, tmp_path, monkeypatch, tasks):
    """The chief holds it from the session's beginning to its end, also where the loop fails; one task needs none."""
    asked, leading = [], Leading()
    monkeypatch.setattr(sessions, "work_unless_chief", lambda _, job, __: asked.append(job) or False)
    monkeypatch.setattr(sessions, "stay_chief", lambda *given: asked.append(given) or leading)
    monkeypatch.setenv("WAFER_RANK", "0")
    monkeypatch.setenv("WAFER_TASKS", tasks)
    monkeypatch.setenv("WAFER_SESSION", "s")
    session = Session(loop, Environment(service_workdir=str(tmp_path), cs_ip="h:9000"), [], "train")
    with pytest.raises(KeyError), session:
        assert leading.said == []
        raise KeyError("the user's")
    name = str(tmp_path / "wafer" / "train" / "s") if tasks == "2" else None
    assert asked == ([name] if name is None else [name, ("h:9000", name)])
    assert leading.said == ([] if name is None else ["closed"])


def test_a_parameter_without_a_group_is_named(loop):
    """The system would train it, and the user's optimizer would not."""
    loop.optimizer = Optimizer(torch.optim.SGD([loop.module.bias], 0.1))
    with pytest.raises(InvalidInput, match="holds 'weight'"):
        jobs.captured(loop, Job({}, RunConfig(), Path("p"), Path("m"), "train"))
