"""A run beside the loop: waits end when something is known, or when the run is over."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from compat.pytorch.wafer_run import WaferRun
from wafer_sim import checkpoints
from wafer_sim.checkpoints import Checkpoint
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
