"""Batches for the plain loop: endless, from any step on, the same after a resume as without one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sized
from contextlib import contextmanager
from typing import Any

import torch

from clients.pytorch.loader import RecipeLoader
from clients.sources import user_line_of
from wire.errors import Fault, InvalidInput

_MIXER = 0x9E3779B97F4A7C15
_SEEDS = 2**63
_END = object()


def feed(loader: Iterable[Any], start: int, seed: int) -> Iterator[Any]:
    """The batches of the steps from `start` on, for ever.

    A recipe goes to its cursor at once; any other loader is walked to it from the start of the epoch. Whatever a step
    draws from torch's random numbers, in the loader or in the model, is a function of (seed, step). Raises
    InvalidInput for a loader that gives nothing or raises.
    """
    batches = _stream(loader, start, seed) if isinstance(loader, RecipeLoader) else _walk(loader, start, seed)
    while True:
        with loader_errors():
            batch = next(batches)
        yield batch


def seed_of(*parts: int) -> int:
    """One seed from several numbers; different numbers give different seeds."""
    mixed = 0
    for part in parts:
        mixed = ((mixed ^ part) * _MIXER + 1) % _SEEDS
    return mixed


def steps_in_epoch(loader: Iterable[Any]) -> int | None:
    """Batches in one walk through a loader, None where it does not say."""
    try:
        return len(loader) if isinstance(loader, Sized) else None
    except TypeError:  # a DataLoader over an iterable dataset has a __len__ that raises
        return None


@contextmanager
def loader_errors() -> Iterator[None]:
    """What a user's loader raises, as an error that names their line."""
    try:
        yield
    except Fault:
        raise
    except Exception as error:
        what = f"the data loader raised {type(error).__name__}: {error}"
        raise InvalidInput(what, where=user_line_of(error), fix="mend the dataset or its collate_fn") from error


def _stream(loader: RecipeLoader, start: int, seed: int) -> Iterator[Any]:
    for step, batch in enumerate(loader.stream(start, seed), start):
        torch.manual_seed(seed_of(seed, step))
        yield batch


def _walk(loader: Iterable[Any], start: int, seed: int) -> Iterator[Any]:
    """Batches that were used before are drawn again, each as it was: a sampler draws its seed with the first one."""
    length = steps_in_epoch(loader)
    step = start - start % length if length else 0
    while True:
        epoch_start = step
        torch.manual_seed(seed_of(seed, step))
        batches = iter(loader)
        while (batch := _drawn(batches, seed, step)) is not _END:
            if step >= start:
                yield batch
            step += 1
        if step == epoch_start:
            raise InvalidInput("the data loader gives no batch", fix="look at batch_size, drop_last_batch and the data")


def _drawn(batches: Iterator[Any], seed: int, step: int) -> Any:
    torch.manual_seed(seed_of(seed, step))
    return next(batches, _END)
