"""Randomness of user code: the global generators of Python and its frameworks, held still for one reader at a time."""

from __future__ import annotations

import random
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from streamer.order import key_of

_TURN = threading.RLock()


class Randomness:
    """The random state of one reader of user code: seeded from `parts`, kept from one use to the next.

    What runs inside `held` draws the same numbers whatever other readers of this process draw in between, and
    leaves the process's own state as it was. User code so runs in one thread at a time. TensorFlow, where it is
    imported, is seeded at the first use; its state cannot be kept.

    state: of Python's, numpy's and torch's generators after the last use; None before the first one.
    """

    def __init__(self, *parts: int) -> None:
        self._key = key_of(*parts)
        self.state: tuple[Any, ...] | None = None

    @contextmanager
    def held(self) -> Iterator[None]:
        with _TURN:
            outside = _capture()
            try:
                if self.state is None:
                    _seed(self._key)
                else:
                    _restore(self.state)
                yield
            finally:
                self.state = _capture()
                _restore(outside)


def _torch() -> Any:
    return sys.modules.get("torch")


def _seed(key: int) -> None:
    random.seed(key)
    np.random.seed(key & 0xFFFFFFFF)
    if torch := _torch():
        torch.default_generator.manual_seed(key >> 1)
    if tensorflow := sys.modules.get("tensorflow"):
        tensorflow.random.set_seed(key >> 1)


def _capture() -> tuple[Any, ...]:
    torch = _torch()
    return random.getstate(), np.random.get_state(), torch and torch.get_rng_state()


def _restore(state: tuple[Any, ...]) -> None:
    random.setstate(state[0])
    np.random.set_state(state[1])
    if (torch := _torch()) and state[2] is not None:
        torch.set_rng_state(state[2])
