"""Checkpoints as TensorFlow writes them: model.ckpt-<step>, under the names of the user's variables."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import tensorflow as tf

from wire.errors import InvalidInput, NotFound

NAME = "model.ckpt"
_INDEX = re.compile(rf"^{re.escape(NAME)}-(?P<step>\d+)\.index$")
ANEW = "keep the model's layers and sizes, or start in a new model_dir"


def newest(model_dir: Path) -> str | None:
    """The newest checkpoint that is whole, None where there is none."""
    paths = every(model_dir)
    return paths[-1] if paths else None


def every(model_dir: Path) -> list[str]:
    """All checkpoints of a folder, the oldest first."""
    found = {int(match["step"]) for path in model_dir.glob(f"{NAME}-*.index") if (match := _INDEX.match(path.name))}
    return [str(model_dir / f"{NAME}-{step}") for step in sorted(found)]


def exists(path: str) -> bool:
    """Whether there is a checkpoint under this path; its index is written last."""
    return Path(f"{path}.index").is_file()


def step_of(path: str) -> int:
    """The step that a checkpoint is of. Raises InvalidInput for a name without one."""
    _, _, step = path.rpartition("-")
    if not step.isdecimal():
        what = f"{Path(path).name} does not say of which step it is"
        raise InvalidInput(what, where=path, fix=f"name it {NAME}-<step>")
    return int(step)


def require(model_dir: Path, given: str | None) -> str:
    """The given checkpoint, or the newest one. Raises NotFound where there is none."""
    path = newest(model_dir) if given is None else given
    if path is None or not exists(path):
        there = ", ".join(Path(one).name for one in every(model_dir)) or "none"
        fix = f"train first, or give --checkpoint_path; checkpoints in {model_dir}: {there}"
        raise NotFound("there is no checkpoint to read", where=path or str(model_dir), fix=fix)
    return path


def require_fit(path: str, variables: Iterable[Any]) -> None:
    """Raises InvalidInput, naming the variable, for a checkpoint that lacks one or holds it in another shape."""
    try:
        held = tf.train.load_checkpoint(path).get_variable_to_shape_map()
    except (tf.errors.OpError, ValueError) as error:
        what = f"the checkpoint cannot be read: {str(error).splitlines()[0]}"
        raise InvalidInput(what, where=path, fix="remove its files; the one before it is taken then") from error
    for variable in variables:
        name, shape = variable.op.name, variable.shape
        if name not in held:
            raise InvalidInput(f"the checkpoint has no variable {name!r}", where=path, fix=ANEW)
        if not shape.is_compatible_with(held[name]):
            what = f"{name!r} has shape {shape.as_list()}, in the checkpoint {list(held[name])}"
            raise InvalidInput(what, where=path, fix=ANEW)
