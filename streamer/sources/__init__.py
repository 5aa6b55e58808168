"""Sources: where samples come from. One file, one kind of source; all of them keep one of these two protocols."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from streamer.order import Rows
from wire.elements import Batch, ElementSpec


@runtime_checkable
class IndexedSource(Protocol):
    """A source that can be read at any row, so that the order of its samples is ours to choose.

    spec: its fields. blocks: rows of each file or row group, in order; they add up to the length.
    random: reading a row may draw random numbers (a user's augmentation does), so a reader seeds them first.
    Reading is safe from several threads at once.
    """

    spec: ElementSpec
    blocks: tuple[int, ...]
    random: bool

    def __len__(self) -> int: ...

    def gather(self, rows: Rows) -> Batch:
        """The samples of these rows, (n,) int64, in this order. Raises InvalidInput where the data is bad."""
        ...

    def describe(self) -> str:
        """One line: what it is, how many rows, how it is read."""
        ...

    def where(self, row: int) -> str:
        """The file and row group, or file and row, that a row number stands for."""
        ...


@runtime_checkable
class SequentialSource(Protocol):
    """A source that can only be walked from its start."""

    spec: ElementSpec

    def batches(self, epoch: int, seed: int = 0) -> Iterator[Batch]:
        """The batches of an epoch; the same (epoch, seed) gives the same batches. Raises InvalidInput."""
        ...

    def describe(self) -> str: ...


@dataclass(frozen=True, slots=True)
class LoaderTraits:
    """What a user's loader says about batches. batch_size: of a global step, all replicas together."""

    batch_size: int
    shuffle: bool
    drop_last: bool


def locate_block(blocks: tuple[int, ...], row: int) -> tuple[int, int]:
    """The block that holds a row, and the row's number inside it."""
    for number, rows in enumerate(blocks):
        if row < rows:
            return number, row
        row -= rows
    raise IndexError(f"row {row} lies behind the last block")
