"""Between the system's checkpoints and TensorFlow's: model.ckpt-<step> holds what checkpoint_<step> does."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.python.eager import context  # to save where a user's file has switched eager execution off

from clients.tensorflow import plain_checkpoints
from clients.tensorflow.warm_start import WarmStartSettings, found
from wafer_sim import checkpoints
from wafer_sim.compiler.dataflow import OPTIMIZER, WEIGHT, Dataflow
from wafer_sim.runtime.protocol import Array, State
from wire.errors import Exhausted, InvalidInput


def export(model_dir: Path, step: int, keep: int) -> str:
    """Leave model.ckpt-<step> beside checkpoint_<step>, and of older ones the newest `keep` (0: all). Its path.

    Raises NotFound where that checkpoint is not there, Exhausted when the disk is full.
    """
    state = checkpoints.read(model_dir / f"checkpoint_{step}").state
    path = str(model_dir / f"{plain_checkpoints.NAME}-{step}")
    arrays = {**state.weights, **state.optimizer}
    try:
        with context.eager_mode():
            tf.raw_ops.SaveV2(
                prefix=path,
                tensor_names=list(arrays),
                shape_and_slices=[""] * len(arrays),
                tensors=[tf.constant(array) for array in arrays.values()],
            )
    except tf.errors.OpError as error:
        what = f"model.ckpt-{step} cannot be written: {str(error).splitlines()[0]}"
        raise Exhausted(what, where=str(model_dir), fix=f"checkpoint_{step} is there; make room") from error
    names = [Path(each).name for each in plain_checkpoints.every(model_dir)]
    past = [name for name in names if plain_checkpoints.step_of(name) <= step]
    for old in past[:-keep] if keep else []:
        for file in model_dir.glob(f"{old}.*"):
            file.unlink()
        names.remove(old)
    tf.compat.v1.train.update_checkpoint_state(str(model_dir), Path(path).name, names)
    return path


def state_of(path: str, program: Dataflow) -> State:
    """The state of a program's variables in TensorFlow's own checkpoint. Raises InvalidInput, naming what it lacks."""
    with _read(path) as held:
        shapes = held.get_variable_to_shape_map()
        weights, optimizer = (
            {
                p.tensor.name: _value(held, shapes, path, p.tensor.name, p.tensor.shape)
                for p in program.parameters
                if p.role == role
            }
            for role in (WEIGHT, OPTIMIZER)
        )
    return State(weights, optimizer)


def warmed(fresh: State, settings: WarmStartSettings, program: Dataflow) -> State:
    """A fresh state with the trained variables that the settings choose, from their checkpoint.

    Raises NotFound, and InvalidInput for a variable that it does not hold, or holds in another shape.
    """
    path = found(settings)
    given = settings.vars_to_warm_start or []
    patterns = [given] if isinstance(given, str) else list(given)
    names = settings.var_name_to_prev_var_name or {}
    chosen = [p.tensor for p in program.parameters if p.trained and any(re.match(x, p.tensor.name) for x in patterns)]
    with _read(path) as held:
        shapes = held.get_variable_to_shape_map()
        taken = {t.name: _value(held, shapes, path, names.get(t.name, t.name), t.shape) for t in chosen}
    return State({**fresh.weights, **taken}, fresh.optimizer, fresh.scalars)


def _value(held: Any, shapes: dict[str, Any], path: str, name: str, shape: tuple[int, ...]) -> Array:
    if name not in shapes:
        raise InvalidInput(f"the checkpoint has no variable {name!r}", where=path, fix=plain_checkpoints.ANEW)
    if tuple(shapes[name]) != shape:
        what = f"{name!r} has shape {list(shape)}, in the checkpoint {list(shapes[name])}"
        raise InvalidInput(what, where=path, fix=plain_checkpoints.ANEW)
    return np.asarray(held.get_tensor(name))


@contextmanager
def _read(path: str) -> Iterator[Any]:
    try:
        yield tf.train.load_checkpoint(path)
    except (tf.errors.OpError, ValueError) as error:
        what = f"the checkpoint cannot be read: {str(error).splitlines()[0]}"
        raise InvalidInput(what, where=path, fix="choose another one with --checkpoint_path") from error
