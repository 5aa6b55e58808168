"""The door for users' loaders: which framework one is of is seen without importing any."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any, Protocol

from streamer.sources import IndexedSource, SequentialSource, Shard
from streamer.sources.walked import WalkedLoader, check_iterable


@dataclass(frozen=True, slots=True)
class Made:
    """A loader, fresh from the user's function. own_shard: the function made it for the shard it was asked for."""

    loader: Any
    own_shard: bool = False


class Maker(Protocol):
    """The user's function, ready to be called once more."""

    def __call__(self, shard: Shard) -> Made:
        """A new loader. Raises InvalidInput where the user's function raises."""
        ...


def open_loader(loader: object, make: Maker | None = None) -> IndexedSource | SequentialSource:
    """The source that a user's loader is: a tf.data.Dataset, a torch DataLoader, or any iterable of batches.

    make: for a tf.data.Dataset, whose walks each begin with a new one; without it all walks share this one.
    Raises InvalidInput.
    """
    if is_dataset(loader):
        from streamer.sources.tf_data import open_dataset

        return open_dataset(loader, make)
    if "torch" in sys.modules:
        from streamer.sources import torch_loader

        return torch_loader.open_loader(loader)
    check_iterable(loader)
    return WalkedLoader(loader, f"a {type(loader).__name__} is no torch DataLoader")


def is_dataset(loader: object) -> bool:
    """Whether it is a tf.data.Dataset; there is none where TensorFlow was not imported."""
    tensorflow: Any = sys.modules.get("tensorflow")
    return tensorflow is not None and isinstance(loader, tensorflow.data.Dataset)
