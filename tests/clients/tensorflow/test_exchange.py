"""Checkpoints of the system and of TensorFlow: the same names, the same values."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from clients.tensorflow.exchange import export, state_of, warmed
from clients.tensorflow.warm_start import WarmStartSettings
from wafer_sim import checkpoints
from wafer_sim.checkpoints import Checkpoint
from wafer_sim.compiler.dataflow import OPTIMIZER, WEIGHT, Dataflow, Variable
from wafer_sim.compiler.program import Tensor
from wafer_sim.runtime.protocol import State
from wire.errors import InvalidInput, NotFound

PROGRAM = Dataflow(
    (
        Variable(Tensor("dense/kernel", (2, 3), "float32"), True, WEIGHT),
        Variable(Tensor("dense/bias", (3,), "float32"), True, WEIGHT),
        Variable(Tensor("global_step", (), "int64"), False, WEIGHT),
        Variable(Tensor("dense/kernel/Adam", (2, 3), "float32"), False, OPTIMIZER, 0.0),
    ),
    (),
    {},
)


def state(step: int) -> State:
    draw = np.random.default_rng(step)
    weights = {"dense/kernel": draw.normal(size=(2, 3)).astype("f"), "dense/bias": draw.normal(size=3).astype("f")}
    slots = {"dense/kernel/Adam": draw.normal(size=(2, 3)).astype("f")}
    return State({**weights, "global_step": np.array(step)}, slots)


def left(folder: Path, *steps: int, keep: int = 0) -> str:
    path = ""
    for step in steps:
        checkpoints.write(folder, Checkpoint(step, state(step)))
        path = export(folder, step, keep)
    return path


def test_what_the_system_saved_tensorflow_reads(tmp_path: Path) -> None:
    """Under the user's names, the optimizer's slots among them, bit for bit; and back again."""
    path = left(tmp_path, 7)
    held = tf.train.load_checkpoint(str(tmp_path))
    assert held.get_tensor("global_step") == 7
    assert held.get_tensor("dense/kernel").tobytes() == state(7).weights["dense/kernel"].tobytes()
    back = state_of(path, PROGRAM)
    assert back.optimizer["dense/kernel/Adam"].tobytes() == state(7).optimizer["dense/kernel/Adam"].tobytes()
    assert back.weights.keys() == state(7).weights.keys()


def test_older_checkpoints_go(tmp_path: Path) -> None:
    """The newest two stay, and TensorFlow's own record of them says so."""
    left(tmp_path, 1, 2, 3, keep=2)
    assert sorted(path.name for path in tmp_path.glob("*.index")) == ["model.ckpt-2.index", "model.ckpt-3.index"]
    assert [Path(p).name for p in tf.train.get_checkpoint_state(str(tmp_path)).all_model_checkpoint_paths] == [
        "model.ckpt-2",
        "model.ckpt-3",
    ]


def test_a_checkpoint_that_is_gone_is_not_found(tmp_path: Path) -> None:
    """A later one may have taken its place meanwhile."""
    with pytest.raises(NotFound):
        export(tmp_path, 5, 0)


def test_a_checkpoint_of_another_model_names_the_variable(tmp_path: Path) -> None:
    """One that lacks a variable, and one that has it in another shape."""
    path = left(tmp_path, 1)
    missing = Dataflow((*PROGRAM.parameters, Variable(Tensor("more", (1,), "float32"))), (), {})
    with pytest.raises(InvalidInput, match="no variable 'more'"):
        state_of(path, missing)
    wider = Dataflow((Variable(Tensor("dense/bias", (4,), "float32")),), (), {})
    with pytest.raises(InvalidInput, match=r"'dense/bias' has shape \[4\], in the checkpoint \[3\]"):
        state_of(path, wider)


def test_a_warm_start_takes_what_is_chosen(tmp_path: Path) -> None:
    """Trained variables whose names begin so; the others, the slots and the step stay fresh."""
    settings = WarmStartSettings(left(tmp_path, 1), "dense/k")
    begun = warmed(state(2), settings, PROGRAM)
    assert begun.weights["dense/kernel"].tobytes() == state(1).weights["dense/kernel"].tobytes()
    assert begun.weights["dense/bias"].tobytes() == state(2).weights["dense/bias"].tobytes()
    assert begun.weights["global_step"] == 2
    assert begun.optimizer is not None
    assert begun.optimizer["dense/kernel/Adam"].tobytes() == state(2).optimizer["dense/kernel/Adam"].tobytes()
