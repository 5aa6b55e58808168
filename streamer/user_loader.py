"""A user's data function and its params, both named on this process's own command line, as an input."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from streamer.input_function import MODES, InputFunction
from streamer.pipeline import Input, loader_input, recipe_input
from streamer.randomness import Randomness
from streamer.recipe import Recipe
from streamer.user_code import load_function
from wire.errors import InvalidInput, NotFound


def user_input(  # noqa: PLR0913, PLR0917 - all of them say what is opened
    reference: str,
    default_name: str,
    params: dict[str, Any],
    data_root: Path | None = None,
    seed: int = 0,
    mode: str = MODES[0],
) -> Input:
    """What a data function returns for these params: a loader, a dataset, or a recipe behind one.

    mode: one of input_function.MODES, for a function that takes it.

    What the function draws at random is a function of the seed, in every process; what its module draws while it is
    imported is always the same. A recipe reads nothing outside `data_root`; a user's own code is not bound by it.
    Raises Fault.
    """
    with Randomness().held():
        make = InputFunction(load_function(reference, default_name), params, mode)
    return made_input(make, data_root, seed)


def made_input(make: InputFunction, data_root: Path | None = None, seed: int = 0) -> Input:
    """As `user_input`, for a function that is loaded already."""
    with Randomness(seed).held():
        loader = make().loader
        recipe = getattr(loader, "recipe", None)
        return recipe_input(recipe, data_root) if isinstance(recipe, Recipe) else loader_input(loader, make)


def read_params(path: Path | None) -> dict[str, Any]:
    """A params.yaml as it is, without a path an empty one. Raises NotFound, InvalidInput."""
    if path is None:
        return {}
    try:
        params = yaml.safe_load(path.read_text())
    except OSError as error:
        raise NotFound(f"the params file cannot be read: {error.strerror}", where=str(path)) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InvalidInput(f"the params file is no YAML: {error}", where=str(path)) from error
    if not isinstance(params, dict):
        raise InvalidInput("the params file holds no mapping", where=str(path))
    return params
