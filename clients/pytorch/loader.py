"""A data loader made from a native recipe: plain PyTorch iterates it, the wafer streams it without running code."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Iterator
from functools import cached_property
from typing import Any

import numpy as np
import torch

from streamer.pipeline import Input, StreamSettings, recipe_input
from streamer.plan import StreamPlan
from streamer.recipe import Recipe
from streamer.tuning import DEFAULT_PREFETCH
from wire.codec import Frame
from wire.cursor import Cursor
from wire.elements import Column, Field, Ragged
from wire.errors import InvalidInput, Unreachable
from wire.landing import land

PATIENCE = 300.0
"""Seconds that a batch may take."""


class RecipeLoader:
    """Iterates one epoch of a recipe, as named tuples of torch tensors that have landed: (batch, *shape) each.

    section: the `train_input` or `eval_input` of the params, with format and columns. where: its name, for errors.
    training: whether the last batch, which may be smaller, is dropped where the section does not say; evaluation
    takes every sample once. Raises InvalidInput for a section that is wrong; reading raises InvalidInput and NotFound
    for data that is.
    """

    def __init__(self, section: dict[str, Any], where: str, training: bool) -> None:
        self.recipe = Recipe.from_params({"drop_last_batch": training, **section}, where)
        self.batch_size = self.recipe.batch_size

    def __len__(self) -> int:
        """Batches in an epoch."""
        return self._plan(epochs=1).steps_per_epoch

    def __iter__(self) -> Iterator[Any]:
        return self._batches(Cursor(0), self._settings(self.recipe.shuffle_seed or 0, epochs=1))

    def stream(self, step: int, seed: int) -> Iterator[Any]:
        """The batches from a step on, epoch after epoch, without end. seed: the run's, where the recipe has none."""
        own = self.recipe.shuffle_seed
        settings = self._settings(seed if own is None else own, epochs=None)
        return self._batches(self._plan(epochs=None).cursor_from(0, step), settings)

    @cached_property
    def _input(self) -> Input:
        return recipe_input(self.recipe)

    @cached_property
    def _fields(self) -> tuple[Field, ...]:
        return self._input.spec.fields

    @cached_property
    def _batch_type(self) -> Any:
        return namedtuple("Batch", [field.name for field in self._fields], rename=True)

    def _plan(self, epochs: int | None) -> StreamPlan:
        plan = self._input.plan(self._settings(0, epochs))
        assert plan is not None  # every source of a recipe is indexed  # noqa: S101
        return plan

    def _settings(self, seed: int, epochs: int | None) -> StreamSettings:
        recipe = self.recipe
        return StreamSettings(
            batch_size=recipe.batch_size,
            drop_remainder=recipe.drop_last_batch,
            epochs=epochs,
            seed=seed,
            shuffle=recipe.shuffle,
            prefetch=recipe.prefetch or DEFAULT_PREFETCH,
        )

    def _batches(self, cursor: Cursor, settings: StreamSettings) -> Iterator[Any]:
        pipeline = self._input.open(settings, cursor)
        try:
            while not (frame := pipeline.get(PATIENCE)).end:
                yield self._landed(frame)
        except TimeoutError as error:
            what = f"no batch was read within {PATIENCE:g} s"
            raise Unreachable(what, where=self._input.describe(), fix="look at the disk that holds the data") from error
        finally:
            pipeline.close()

    def _landed(self, frame: Frame) -> Any:
        return self._batch_type(*(_tensor(frame.batch[field.name], field) for field in self._fields))


def _tensor(column: Column, field: Field) -> torch.Tensor:
    if isinstance(column, Ragged) or column.dtype == object:
        what = f"field {field.name!r} is {'a list of any length' if field.ragged else 'a text'}, not a tensor"
        raise InvalidInput(what, where="columns", fix="leave it out of `columns`, or pad it to one length")
    landed = land(column, field.landing)
    return torch.from_numpy(landed if landed.flags.writeable else np.array(landed))
