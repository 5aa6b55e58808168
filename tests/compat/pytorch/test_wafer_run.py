"""A run beside the loop: waits end when something is known, or when the run is over."""

from __future__ import annotations

import math
import threading

import numpy as np
import pytest

from compat.pytorch.wafer_run import WaferRun
from wafer_sim import checkpoints
from wafer_sim.checkpoints import Checkpoint
from wafer_sim.losses import LossLog
from wafer_sim.runtime.protocol import State
from wire.errors import InvalidInput, Stopped
from wire.v1 import run_pb2


def test_the_loop_gets_what_it_waits_for(tmp_path):
    """Losses, values and states that come while it waits, and only those of the steps that it asks for."""
    run, asked = WaferRun(tmp_path), threading.Event()

    def work():
        asked.wait(5)
        run.advanced(run_pb2.Progress(step=1, loss=2.0))
        run.advanced(run_pb2.Progress(step=2, loss=1.5))
        run.observed(1, {"loss": np.float32(3)})
        checkpoints.write(tmp_path, Checkpoint(2, State({"w": np.ones(2, np.float32)})))
        run.saved(2)

    run.start(work)
    asked.set()
    assert run.loss(2) == 1.5
    assert run.values(1)["loss"] == 3
    assert run.checkpoint(2).state.weights["w"].tolist() == [1, 1]
    assert run.end() is None


def test_a_run_that_fails_ends_every_wait(tmp_path):
    """The Fault that ended it is raised where the loop waits, and again at the end."""
    run = WaferRun(tmp_path)

    def work():
        raise InvalidInput("the data is wrong")

    run.start(work)
    for wait in (lambda: run.loss(3), lambda: run.values(3), lambda: run.checkpoint(3), run.end):
        with pytest.raises(InvalidInput, match="the data is wrong"):
            wait()


def test_a_run_that_ends_early_is_said(tmp_path):
    """What never came is an error, not a wait for ever."""
    run = WaferRun(tmp_path)
    run.start(lambda: None)
    with pytest.raises(Stopped, match="without the state of step 3"):
        run.checkpoint(3)
    with pytest.raises(Stopped, match="nothing was seen of step 3"):
        run.values(3)


def test_a_loop_that_leaves_early_ends_the_run(tmp_path):
    """The run is told to stop as by Ctrl-C, and its Fault is not raised once more."""
    run, told = WaferRun(tmp_path), threading.Event()

    def work():
        run.begun(told.set)
        assert told.wait(5)
        raise Stopped("interrupted")

    run.start(work)
    assert run.end(stop=True) is None


def saved(folder, step):
    checkpoints.write(folder, Checkpoint(step, State({"w": np.full(2, step, np.float32)})))


def test_a_loss_that_nobody_heard_is_looked_up(tmp_path):
    """The run is beyond the step, or over, and has written it down; where it has not either, there is none."""
    log, run, asked = LossLog(tmp_path), WaferRun(tmp_path), threading.Event()
    log.add(2, 1.5)

    def work():
        run.advanced(run_pb2.Progress(step=1, loss=2.0))
        asked.wait(5)
        run.advanced(run_pb2.Progress(step=5, loss=0.5))
        log.add(4, 0.75)
        run.advanced(run_pb2.Progress(step=6, loss=0.25))

    run.start(work)
    asked.set()
    assert [run.loss(step) for step in (2, 4, 6)] == [1.5, 0.75, 0.25]
    assert math.isnan(run.loss(8))
    log.close()


def test_the_states_of_a_successor(tmp_path):
    """What is kept is read, heard of or not; what the chief before had taken is none; what never was is an error."""
    for step in (20, 40):
        saved(tmp_path, step)
    run = WaferRun(tmp_path, succeeds=True)

    def work():
        run.saved(10)
        run.saved(20)
        run.advanced(run_pb2.Progress(step=45))

    run.start(work)
    assert run.checkpoint(10) is None
    assert [run.checkpoint(step).step for step in (20, 40)] == [20, 40]
    with pytest.raises(Stopped, match="without the state of step 60"):
        run.checkpoint(60)


def test_a_state_that_is_gone_is_an_error_for_the_first_chief(tmp_path):
    """Nobody else can have taken it."""
    run = WaferRun(tmp_path)
    run.start(lambda: run.saved(10))
    with pytest.raises(Stopped, match="without the state of step 10"):
        run.checkpoint(10)


def test_what_the_loop_has_left_behind_is_thinned(tmp_path):
    """The newest two stay of what it has left, also where it was ahead of the run; and all that it has not reached."""
    for step in (0, 20, 40, 60):
        saved(tmp_path, step)
    run = WaferRun(tmp_path)
    run.left(40)
    assert kept(tmp_path) == [20, 40, 60]
    run.left(100)
    assert kept(tmp_path) == [40, 60]
    saved(tmp_path, 80)
    run.saved(80)
    assert kept(tmp_path) == [60, 80]


def kept(folder):
    return sorted(int(path.name.removeprefix("checkpoint_")) for path in folder.iterdir())
