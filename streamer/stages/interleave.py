"""Interleave: files read in turn, some rows of each, as tf.data's interleave does; here as arithmetic."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from streamer.order import Rows


@dataclass(slots=True)
class _Open:
    """A file in one slot of the cycle: its next row, and the row where it ends."""

    row: int
    end: int


@dataclass(frozen=True, slots=True)
class _Phase:
    """Rounds in which the same files are read in turn: `rows` are their next rows, `count` rows are read in all."""

    rows: tuple[int, ...]
    count: int


class Interleaved:
    """Rows of files of these lengths, `block_length` from each of `cycle_length` open files in turn.

    A file that ends gives its place in the cycle to the next file, opened when its turn comes again. Nothing is
    shuffled and every epoch is the same. The state grows with files x cycle_length, not with rows.
    """

    def __init__(self, lengths: Sequence[int], cycle_length: int, block_length: int) -> None:
        if min(cycle_length, block_length) < 1:
            raise ValueError(f"interleave needs a cycle and a block of 1 or more, got {cycle_length}, {block_length}")
        self._n = sum(lengths)
        self._block = block_length
        phases = list(_phases(lengths, cycle_length, block_length))
        self._starts = np.cumsum([0, *(phase.count for phase in phases)], dtype=np.int64)[:-1]
        self._widths = np.array([len(phase.rows) for phase in phases], dtype=np.int64)
        self._offsets = np.cumsum([0, *self._widths], dtype=np.int64)[:-1]
        self._bases = np.array([row for phase in phases for row in phase.rows], dtype=np.int64)

    def __len__(self) -> int:
        return self._n

    def at(self, epoch: int, positions: Rows) -> Rows:
        phase = np.searchsorted(self._starts, positions, side="right") - 1
        block, within = np.divmod(positions - self._starts[phase], self._block)
        turn, slot = np.divmod(block, self._widths[phase])
        rows: Rows = self._bases[self._offsets[phase] + slot] + turn * self._block + within
        return rows

    def rows(self, epoch: int, start: int, stop: int) -> Rows:
        return self.at(epoch, np.arange(start, stop, dtype=np.int64))


def _phases(lengths: Sequence[int], cycle_length: int, block: int) -> Iterator[_Phase]:
    ends = np.cumsum(lengths, dtype=np.int64)
    waiting = deque(_Open(int(end) - length, int(end)) for end, length in zip(ends, lengths, strict=True))
    slots: list[_Open | None] = [None] * cycle_length
    while waiting or any(slots):
        held = [file for file in slots if file]
        steady = len(held) == cycle_length or not waiting
        rounds = min((file.end - file.row) // block for file in held) if steady else 0
        if rounds:
            yield _Phase(tuple(file.row for file in held), rounds * block * len(held))
            for file in held:
                file.row += rounds * block
        yield from _one_round(slots, waiting, block)


def _one_round(slots: list[_Open | None], waiting: deque[_Open], block: int) -> Iterator[_Phase]:
    """Visit every slot once; this is where files end and others take their place."""
    for number, held in enumerate(slots):
        file = held or (waiting.popleft() if waiting else None)
        if file is None:
            continue
        count = min(block, file.end - file.row)
        if count:
            yield _Phase((file.row,), count)
        file.row += count
        slots[number] = file if count == block else None
