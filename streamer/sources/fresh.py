"""A user's loader, ready for one walk: what is set or seeded for an epoch is the walk's own, not shared with others.

Two streams walk one loader at the same time. A sampler's generator, an epoch that was set, or the position of a
loader that can be saved belong to one of the walks only; so the walk has copies of those parts, and of nothing else.
What a walk does to them is gone with it: each epoch begins with the loader as the user's function gave it.
"""

from __future__ import annotations

import copy
import logging
import random
import sys
from collections import deque
from typing import Any

import numpy as np

from streamer.order import key_of

log = logging.getLogger(__name__)

_PARTS = ("dataset", "sampler", "batch_sampler")
_CONTAINERS = (dict, list, set, deque)


def has_state(loader: object) -> bool:
    """Whether a loader can say where it is and go on from there, as torchdata's StatefulDataLoader can."""
    return all(callable(getattr(loader, name, None)) for name in ("state_dict", "load_state_dict"))


def fresh(loader: Any, epoch: int, seed: int) -> Any:
    """The loader for a walk of an epoch: its epoch set, its generators a function of (seed, epoch).

    Worker processes must not be forked from a process that runs gRPC.
    """
    own = _Copier(epoch, seed).own(loader)
    if getattr(own, "num_workers", 0):
        own = copy.copy(own) if own is loader else own
        own._iterator = None
        own.multiprocessing_context = own.multiprocessing_context or "forkserver"
    return own


class _Copier:
    """Copies the parts of a loader that one walk of an epoch needs for itself; the rest stays shared."""

    def __init__(self, epoch: int, seed: int) -> None:
        self._epoch, self._seed = epoch, seed
        self._done: dict[int, Any] = {}
        self._generators: dict[int, Any] = {}

    def own(self, part: Any) -> Any:
        """A part as this walk has it: a copy if anything in it is the walk's own."""
        if id(part) in self._done:
            return self._done[id(part)]
        self._done[id(part)] = part  # for a part that holds itself
        changed = self._changed(part)
        set_epoch = callable(getattr(part, "set_epoch", None))
        if changed or set_epoch or has_state(part):
            self._done[id(part)] = _copy(part, changed)
        own = self._done[id(part)]
        if set_epoch:
            own.set_epoch(self._epoch)
        return own

    def _changed(self, part: Any) -> dict[str, Any]:
        members = _members(part)
        changed = {name: self._seeded(value) for name, value in members.items() if _is_generator(value)}
        for name in _PARTS:
            if (inner := members.get(name)) is not None and (own := self.own(inner)) is not inner:
                changed[name] = own
        if has_state(part):  # it may keep its place in one of these
            changed |= {name: copy.copy(value) for name, value in members.items() if type(value) in _CONTAINERS}
        return changed

    def _seeded(self, generator: Any) -> Any:
        """This walk's generator in the place of one that walks share."""
        if id(generator) not in self._generators:
            key = key_of(self._seed, self._epoch, len(self._generators))
            self._generators[id(generator)] = _generator_like(generator, key)
        return self._generators[id(generator)]


def _members(part: object) -> dict[str, Any]:
    return getattr(part, "__dict__", {})


def _copy(part: Any, changed: dict[str, Any]) -> Any:
    """A shallow copy with these members; the part itself where it cannot be copied."""
    try:
        copied = copy.copy(part)
    except (TypeError, copy.Error) as error:
        log.warning("%s cannot be copied (%s): streams of one worker share its state", type(part).__name__, error)
        return part
    if "_iterator" in _members(copied):
        copied._iterator = None
    _members(copied).update(changed)  # a DataLoader lets nobody set these
    return copied


def _is_generator(value: object) -> bool:
    torch = sys.modules.get("torch")
    kinds = (np.random.Generator, np.random.RandomState, random.Random)
    return isinstance(value, kinds) or (torch is not None and isinstance(value, torch.Generator))


def _generator_like(generator: Any, key: int) -> Any:
    """A new generator of the same kind, seeded with this key."""
    if isinstance(generator, np.random.Generator):
        return np.random.Generator(type(generator.bit_generator)(key))
    if isinstance(generator, np.random.RandomState):
        return np.random.RandomState(key & 0xFFFFFFFF)
    if isinstance(generator, random.Random):
        return type(generator)(key)
    torch: Any = sys.modules["torch"]
    return torch.Generator(generator.device).manual_seed(key >> 1)
