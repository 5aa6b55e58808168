"""The user's loop: which function is captured, when it waits, and what it is given."""

from __future__ import annotations

import gc
import math
import sys

import pytest
import torch

from compat.pytorch.callee import function_of
from compat.pytorch.loop import Loop, Name, Seen
from compat.pytorch.modes import EVAL
from wire.errors import Refused
from wire.staying import staying

BATCH = (torch.ones(4, 3, dtype=torch.float16), torch.zeros(4, dtype=torch.int32))


class Driver:
    """Says a loss of a hundredth of each step, and remembers what it was asked."""

    def __init__(self):
        self.asked, self.settled, self.left = [], [], []

    def loss(self, step):
        self.asked.append(step)
        return step / 100

    def values(self, step):
        return {"0": torch.full((2,), step)}

    def settle(self, step):
        self.settled.append(step)

    def leave(self, step):
        self.left.append(step)


class Model:
    """Computes its loss after the module, as many models of that time do."""

    def __init__(self, loop):
        self.module = torch.nn.Linear(3, 2)
        inner = self.module.forward
        self.module.forward = lambda *a, **k: loop.forward(self.module, inner, a, k)
        self.weight = torch.ones(2)

    def __call__(self, data):
        inputs, labels = data
        return torch.nn.functional.cross_entropy(self.module(inputs) * self.weight, labels.long())


def driven(loop):
    driver = Driver()
    loop.start = lambda: driver
    loop.total_steps = 6
    loop.fetch_steps = 3
    return driver


def test_the_innermost_function_of_the_batch_is_found():
    """Not the runner's method around it, and not what gets parts of the batch; it can be called with another batch."""
    found = []

    def parts(inputs, labels):
        found.append(function_of(BATCH, sys._getframe()))
        return inputs.sum() + labels.sum()

    def loss_of(scale, data):
        return scale * parts(*data)

    def runner(data):
        return loss_of(2, tuple(data))

    assert runner(BATCH) == 24
    assert found[0]((torch.ones(1), torch.ones(1))) == 4
    assert function_of([torch.ones(1)], sys._getframe()) is None


def test_a_function_that_the_collector_leaves_alone_is_found():
    """What was imported for good before the loop began is the user's, too."""
    found = []

    def loss_of(data):
        found.append(function_of(BATCH, sys._getframe()))
        return data

    with staying():
        pass
    try:
        loss_of(BATCH)
        assert gc.get_freeze_count() > 0
    finally:
        gc.unfreeze()
    assert found[0] is not None


def test_the_loop_is_given_the_systems_losses():
    """At fetched steps the user's own tensor holds the system's loss, also where it is made after the module."""
    loop = Loop()
    driver, model = driven(loop), Model(loop)
    losses = []
    for data in loop.steps([BATCH], 6):
        loss = loop.mark_loss(model(data))
        loss.backward()
        losses.append(loss.item())
    assert losses[2] == pytest.approx(0.03)
    assert losses[5] == pytest.approx(0.06)
    assert all(math.isnan(losses[i]) for i in (0, 1, 3, 4))
    assert set(driver.asked) == {3, 6}
    loop.capturing = True
    assert loop.function((torch.ones(2, 3), torch.zeros(2))).item() > 0


def test_a_module_that_gives_the_loss_needs_nobody_to_mark_it():
    """A scalar of the module is the loss: the loop sees the system's value at once."""
    loop = Loop()
    driven(loop)
    module = torch.nn.Linear(3, 1)

    def forward(inputs, labels):
        return loop.forward(module, lambda x, y: (x.sum() + y.sum()).float(), (inputs, labels), {})

    losses = [forward(*data).item() for data in loop.steps([BATCH], 3)]
    assert losses[2] == pytest.approx(0.03)


def test_a_loss_that_nobody_can_be_asked_for_is_refused():
    """Where no function gets the batch whole there is nothing to capture."""
    loop = Loop()
    driven(loop)
    with pytest.raises(Refused, match="no function is called with the batch"):
        for inputs, _ in loop.steps([BATCH], 1):
            loop.forward(torch.nn.Linear(3, 1), lambda x: x, (inputs + 1,), {})


def test_a_closure_sees_a_state_that_is_settled():
    """Before a closure runs, the driver has put the state of the step where the user's code finds it."""
    loop = Loop()
    loop.driver, loop.run_step = Driver(), 4
    assert loop.closed(lambda x, y: x + y, (1,), {"y": 2}) == 3
    assert loop.driver.settled == [4]


def test_a_closure_of_the_model_runs_at_each_step_of_an_evaluation():
    """It was remembered at the capture, and gets the system's values in place of tensors; training runs none."""
    got = []
    loop = Loop()
    loop.mode, loop.driver, loop.run_step = EVAL, Driver(), 2
    loop.closures = [Seen(lambda labels, weight: got.append((labels.tolist(), weight)), ((Name("0"),), {"weight": 5}))]
    loop._run_closures()
    loop.mode = "train"
    loop._run_closures()
    assert got == [([2, 2], 5)]


def test_steps_are_counted_as_they_are_taken():
    """The step in hand counts, an epoch ends with the loader's length, and the next one goes on counting."""
    loop = Loop()
    loop.total_steps, loop.fetch_steps, loop.checkpoint_steps = 5, 0, 2
    seen = [(loop.run_step, loop.is_fetched, loop.is_saved) for _ in loop.steps([BATCH], 3)]
    assert seen == [(1, False, False), (2, False, True), (3, False, False)]
    assert [loop.run_step for _ in loop.steps([BATCH], 2)] == [4, 5]
    assert (loop.is_fetched, loop.is_saved) == (True, True)


def test_a_saved_step_is_left_when_the_next_one_begins():
    """Whatever the loop did with its state is done then; other steps are nothing to the system."""
    loop, driver, seen = Loop(), Driver(), []
    loop.total_steps, loop.checkpoint_steps = 5, 2
    for _ in loop.steps([BATCH], 5):
        loop.driver = driver
        seen.append(list(driver.left))
    assert seen == [[], [], [2], [2], [2, 4]]


def test_without_a_session_the_modules_own_mode_says_what_is_compiled():
    """A module in .eval() is compiled for evaluation; on the host it computes what has arrived in its dtypes."""
    loop = Loop()
    model = Model(loop)
    model.module.eval()
    losses = [model(data) for data in loop.steps([BATCH], 1)]
    assert loop.mode == EVAL
    assert losses[0].isfinite()
