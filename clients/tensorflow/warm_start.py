"""Weights to begin with, from another run's checkpoint."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tensorflow as tf

from clients.tensorflow.plain_checkpoints import exists, newest
from wire.errors import InvalidInput, NotFound


@dataclass(frozen=True, slots=True)
class WarmStartSettings:
    """Which variables of which checkpoint to begin with.

    ckpt_to_initialize_from: a checkpoint, or a folder whose newest one is meant. vars_to_warm_start: a regular
    expression, or several, that names of trainable variables begin with; None for no trainable variable.
    var_name_to_prev_var_name: name here -> name in the checkpoint.
    """

    ckpt_to_initialize_from: str
    vars_to_warm_start: str | Sequence[Any] | None = ".*"
    var_name_to_prev_var_name: Mapping[str, str] | None = None


def settings_of(given: Any) -> WarmStartSettings | None:
    """Settings, or what has their attributes, as they are; a path or a checkpoint folder means all its variables.

    Raises InvalidInput for anything else.
    """
    if given is None or isinstance(given, WarmStartSettings):
        return given
    if isinstance(given, str | Path):
        return WarmStartSettings(str(given))
    try:
        names = getattr(given, "var_name_to_prev_var_name", None)
        return WarmStartSettings(str(given.ckpt_to_initialize_from), given.vars_to_warm_start, names)
    except AttributeError:
        what = f"warm_start_from is a {type(given).__name__}"
        fix = "give a checkpoint's path, or WarmStartSettings(ckpt_to_initialize_from=...)"
        raise InvalidInput(what, where="CerebrasEstimator", fix=fix) from None


def warm_start(settings: WarmStartSettings) -> None:
    """Make the variables of the default graph begin with the checkpoint's values.

    Raises NotFound where there is no checkpoint, and InvalidInput for a variable that it does not hold, or holds in
    another shape.
    """
    path = found(settings)
    try:
        tf.compat.v1.train.warm_start(
            path,
            vars_to_warm_start=settings.vars_to_warm_start,
            var_name_to_prev_var_name=dict(settings.var_name_to_prev_var_name or {}),
        )
    except (ValueError, tf.errors.NotFoundError) as error:
        what = f"the checkpoint does not fit: {str(error).splitlines()[0]}"
        raise InvalidInput(what, where=path, fix="choose what to take with vars_to_warm_start") from error


def found(settings: WarmStartSettings) -> str:
    """The checkpoint that is meant. Raises NotFound where there is none."""
    path = settings.ckpt_to_initialize_from
    meant = newest(Path(path)) if Path(path).is_dir() else path
    if meant is None or not exists(meant):
        raise NotFound("there is no checkpoint to begin with", where=path, fix="give the path of model.ckpt-<step>")
    return meant
