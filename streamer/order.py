"""The order of the samples: pure functions from (seed, epoch, position) to a row number, with O(1) state."""

from __future__ import annotations

import math
from typing import Protocol

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.int64]

_ROUNDS = 8
_CHUNK = 1 << 12
_GOLDEN = 0x9E3779B97F4A7C15
_MASK = (1 << 64) - 1
_FIRST, _SECOND = 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
_HALF = np.uint64(32)


class Order(Protocol):
    """Which row stands at which position of an epoch: for each epoch a permutation of range(len(order))."""

    def __len__(self) -> int: ...

    def at(self, epoch: int, positions: Rows) -> Rows:
        """Row numbers, (n,) int64, at these positions, (n,) int64, of an epoch."""
        ...

    def rows(self, epoch: int, start: int, stop: int) -> Rows:
        """Row numbers, (stop - start,) int64, at the positions start .. stop - 1 of an epoch."""
        ...


class InOrder:
    """Rows as they are stored."""

    def __init__(self, n: int) -> None:
        self._n = n

    def __len__(self) -> int:
        return self._n

    def at(self, epoch: int, positions: Rows) -> Rows:
        return positions

    def rows(self, epoch: int, start: int, stop: int) -> Rows:
        return self.at(epoch, np.arange(start, stop, dtype=np.int64))


def mix(value: int) -> int:
    """The finaliser of splitmix64: spreads 64 bits over 64 bits, one to one."""
    value = ((value ^ (value >> 30)) * _FIRST) & _MASK
    value = ((value ^ (value >> 27)) * _SECOND) & _MASK
    return value ^ (value >> 31)


def key_of(*parts: int) -> int:
    """One 64-bit key from any integers; the same parts in the same order give the same key, anywhere."""
    key = 0
    for part in parts:
        key = mix((key + _GOLDEN + mix((part + _GOLDEN) & _MASK)) & _MASK)
    return key


class Permutation:
    """A keyed permutation of range(n) whose only state is its key.

    A generalised Feistel network on a * b >= n, with a and b close to sqrt(n), and cycle walking for the few values
    that fall outside (Black and Rogaway, "Ciphers with arbitrary finite domains", 2002). It is no cipher: the
    round function is chosen for statistics and speed. n is below 2**62.
    """

    def __init__(self, seed: int, epoch: int, n: int) -> None:
        if not 0 < n < 1 << 62:
            raise ValueError(f"a permutation needs 1 to 2**62 - 1 elements, got {n}")
        self._n = n
        a = math.isqrt(n - 1) + 1
        self._a, self._b = np.uint64(a), np.uint64(-(-n // a))
        self._keys = [np.uint64(key_of(seed, epoch, number)) for number in range(_ROUNDS)]

    def __len__(self) -> int:
        return self._n

    def take(self, positions: Rows) -> Rows:
        """Where each position, (n,) int64 in 0 .. n-1, is sent: (n,) int64."""
        out = np.empty(len(positions), np.int64)
        for start in range(0, len(positions), _CHUNK):
            out[start : start + _CHUNK] = self._walk(positions[start : start + _CHUNK])
        return out

    def _walk(self, positions: Rows) -> Rows:
        values = self._network(positions.astype(np.uint64)).view(np.int64)
        outside = np.flatnonzero(values >= self._n)
        while len(outside):
            walked = self._network(values[outside].view(np.uint64)).view(np.int64)
            values[outside] = walked
            outside = outside[walked >= self._n]
        return values

    def _network(self, values: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
        right = values // self._a
        left = values - right * self._a
        work, wrapped = np.empty_like(left), np.empty_like(left)
        for number, key in enumerate(self._keys):
            target, other, size = (right, left, self._b) if number % 2 else (left, right, self._a)
            _scatter(other, key, size, work)
            np.add(target, work, out=target)
            np.subtract(target, size, out=wrapped)
            np.minimum(target, wrapped, out=target)
        np.multiply(right, self._a, out=right)
        np.add(right, left, out=right)
        return right


def _scatter(values: npt.NDArray[np.uint64], key: np.uint64, size: np.uint64, out: npt.NDArray[np.uint64]) -> None:
    """A keyed hash of each value, spread over range(size) by multiply and shift (size is below 2**32)."""
    np.add(values, key, out=out)
    np.multiply(out, _FIRST, out=out)
    np.bitwise_xor(out, out >> _HALF, out=out)
    np.multiply(out, _SECOND, out=out)
    np.right_shift(out, _HALF, out=out)
    np.multiply(out, size, out=out)
    np.right_shift(out, _HALF, out=out)
