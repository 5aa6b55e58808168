"""The door: what there is to say of a loader, a dataset or a recipe."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from streamer.advice import Review, recipes
from streamer.pipeline import Input
from streamer.recipe import Recipe
from streamer.sources.loaders import is_dataset


@dataclass(frozen=True, slots=True)
class Watched:
    """Where the datasets were made that a user's function made: `streamer.sources.tf_lines.Lines`, by their ids."""

    lines: dict[int, Any] = field(default_factory=dict)


@contextmanager
def watching() -> Iterator[Watched]:
    """While a user's function runs in it, the lines are noted that make tf.data's datasets, where there are any."""
    watched = Watched()
    if "tensorflow" not in sys.modules:
        yield watched
        return
    from streamer.sources.tf_lines import noted

    with noted(watched.lines):
        yield watched


def review(loader: Any, watched: Watched, opened: Input | None, section: str) -> Review | None:
    """What there is to say of what a user's function gave; None of what is neither dataset nor recipe.

    opened: a recipe's data. section: of the params that hold the recipe. Of a dataset, maps are measured on made-up
    samples, for about 2 s in all; what the dataset reads is not touched.
    """
    recipe = getattr(loader, "recipe", None)
    if isinstance(recipe, Recipe) and opened is not None:
        return Review(section, tuple(recipes.remarks_on(recipe, opened, section)))
    if is_dataset(loader) and watched.lines:
        from streamer.advice import pipelines
        from streamer.sources import tf_stages, tf_trial

        stages = tf_stages.stages_of(loader, watched.lines)
        if not any(stage.where for stage in stages):
            return None
        return Review("input_fn", tuple(pipelines.remarks_on(tf_trial.measured(loader, stages))))
    return None
