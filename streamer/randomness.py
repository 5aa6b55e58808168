"""Randomness of user code: the global generators of Python and its frameworks, held still for one reader at a time."""

from __future__ import annotations

import importlib.util
import random
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

import numpy as np

from streamer.order import key_of

_TURN = threading.RLock()


class Randomness:
    """The random state of one reader of user code: seeded from `parts`, kept from one use to the next.

    What runs inside `held` draws the same numbers whatever other readers of this process draw in between, and
    leaves the process's own state as it was. User code so runs in one thread at a time. TensorFlow, where it is
    imported, is seeded at the first use; its state cannot be kept. A framework that is imported inside is seeded as
    soon as it is there.

    state: of Python's, numpy's and torch's generators after the last use; None before the first one.
    """

    def __init__(self, *parts: int) -> None:
        self._key = key_of(*parts)
        self.state: tuple[Any, ...] | None = None

    @contextmanager
    def held(self) -> Iterator[None]:
        with _TURN:
            outside, watch = _capture(), _Imports(self._key)
            sys.meta_path.insert(0, watch)
            try:
                if self.state is None:
                    _seed(self._key)
                else:
                    _restore(self.state)
                yield
            finally:
                sys.meta_path.remove(watch)
                self.state = _capture()
                _restore(outside)


@contextmanager
def undisturbed() -> Iterator[None]:
    """What runs inside, outside of any reader, may draw numbers: no reader of this process does so meanwhile."""
    with _TURN:
        yield


class _Imports(MetaPathFinder):
    """Seeds a framework when its import is done: whoever imports it first gets the numbers of all later ones."""

    def __init__(self, key: int) -> None:
        self._key = key
        self._looking = False

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> ModuleSpec | None:
        if fullname not in _SEEDERS or self._looking:
            return None
        self._looking = True
        try:
            spec = importlib.util.find_spec(fullname)
        finally:
            self._looking = False
        if spec is not None and spec.loader is not None:
            run = spec.loader.exec_module

            def run_and_seed(module: ModuleType) -> None:
                run(module)
                _SEEDERS[fullname](module, self._key)

            spec.loader.exec_module = run_and_seed  # type: ignore[method-assign]  # of this one import
        return spec


def _seed_torch(torch: Any, key: int) -> None:
    torch.default_generator.manual_seed(key >> 1)


def _seed_tensorflow(tensorflow: Any, key: int) -> None:
    tensorflow.random.set_seed(key >> 1)


_SEEDERS = {"torch": _seed_torch, "tensorflow": _seed_tensorflow}


def _torch() -> Any:
    return sys.modules.get("torch")


def _seed(key: int) -> None:
    random.seed(key)
    np.random.seed(key & 0xFFFFFFFF)
    for name, seed in _SEEDERS.items():
        if (framework := sys.modules.get(name)) is not None:
            seed(framework, key)


def _capture() -> tuple[Any, ...]:
    torch = _torch()
    return random.getstate(), np.random.get_state(), torch and torch.get_rng_state()


def _restore(state: tuple[Any, ...]) -> None:
    random.setstate(state[0])
    np.random.set_state(state[1])
    if (torch := _torch()) and state[2] is not None:
        torch.set_rng_state(state[2])
