"""Shuffle: orders that are a pure function of (seed, epoch)."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from streamer.order import Permutation, Rows, key_of


class Shuffled:
    """Every row anywhere: for data that can be read at random."""

    def __init__(self, n: int, seed: int) -> None:
        self._n, self._seed = n, seed

    def __len__(self) -> int:
        return self._n

    def at(self, epoch: int, positions: Rows) -> Rows:
        return Permutation(self._seed, epoch, self._n).take(positions)

    def rows(self, epoch: int, start: int, stop: int) -> Rows:
        return self.at(epoch, np.arange(start, stop, dtype=np.int64))


class BlockShuffled:
    """Blocks anywhere, rows anywhere inside a window of blocks: for data too large to read at random.

    Blocks of `block_rows` neighbouring rows (the last may be shorter) are permuted; then `window_blocks` neighbours
    of that order make a window, whose rows are permuted. A reader that keeps `window_blocks` blocks in memory reads
    each of them once an epoch. The state is one number for each block, for the epochs in use.
    """

    def __init__(self, n: int, seed: int, block_rows: int, window_blocks: int) -> None:
        if min(block_rows, window_blocks) < 1:
            raise ValueError(
                f"blocks of {block_rows} rows in windows of {window_blocks} blocks: both must be 1 or more"
            )
        self._n, self._seed = n, seed
        self._block, self._window = block_rows, window_blocks
        self._layout = lru_cache(maxsize=2)(self._lay_out)

    def __len__(self) -> int:
        return self._n

    def at(self, epoch: int, positions: Rows) -> Rows:
        blocks, starts = self._layout(epoch)
        windows = starts[:: self._window]
        inside = np.searchsorted(windows, positions, side="right") - 1
        moved = np.empty_like(positions)
        for window in np.unique(inside):
            chosen = inside == window
            first = int(windows[window])
            size = (int(windows[window + 1]) if window + 1 < len(windows) else self._n) - first
            permutation = Permutation(key_of(self._seed, int(window) + 1), epoch, size)
            moved[chosen] = first + permutation.take(positions[chosen] - first)
        place = np.searchsorted(starts, moved, side="right") - 1
        return blocks[place] * self._block + (moved - starts[place])

    def rows(self, epoch: int, start: int, stop: int) -> Rows:
        return self.at(epoch, np.arange(start, stop, dtype=np.int64))

    def _lay_out(self, epoch: int) -> tuple[Rows, Rows]:
        """The blocks in this epoch's order, and the position at which each of them starts."""
        count = -(-self._n // self._block)
        blocks = Permutation(self._seed, epoch, count).take(np.arange(count, dtype=np.int64))
        sizes = np.minimum(self._block, self._n - blocks * self._block)
        return blocks, np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.int64)
