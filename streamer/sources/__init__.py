"""Sources: where samples come from. One file, one kind of source; all of them keep one of these two protocols."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy.typing as npt

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


Out = Mapping[str, npt.NDArray[Any]]
"""Where columns may be written to: by name, (n, *shape) of the spec's dtype."""


@runtime_checkable
class GathersInto(Protocol):
    """An indexed source that can write rows to where they are wanted."""

    def gather_into(self, rows: Rows, out: Out) -> Batch:
        """As `gather`. A column that was written to its array of `out` lies there; others may lie anywhere."""
        ...


class Walk(Protocol):
    """The batches of an epoch, one after the other."""

    def __iter__(self) -> Iterator[Batch]: ...

    def __next__(self) -> Batch: ...

    def state(self) -> Any:
        """Where the source is after the batch that was given last. Only of a source that resumes."""
        ...

    def close(self) -> None:
        """Let go of what is held; there are no more batches."""
        ...


@dataclass(frozen=True, slots=True)
class Shard:
    """Part `number` of the `of` parts of a source."""

    number: int = 0
    of: int = 1


WHOLE = Shard()


@runtime_checkable
class SequentialSource(Protocol):
    """A source that can only be walked from its start.

    resumes: it can go on from a state of its own, so that it need not be walked to there.
    """

    spec: ElementSpec

    @property
    def resumes(self) -> bool: ...

    def shards(self, of: int) -> bool:
        """Whether it can be walked in `of` shards that have each of its samples in one of them.

        If not, those who read it walk all of it and take its batches in turn.
        """
        ...

    def batches(self, epoch: int, seed: int = 0, state: Any = None, shard: Shard = WHOLE) -> Walk:
        """The batches of an epoch, from its start or from the state of a walk of this epoch and shard.

        shard: WHOLE, or one of as many as `shards` says yes to.
        The same (epoch, seed, shard) gives the same batches. Raises InvalidInput.
        """
        ...

    def forget_states(self, why: str) -> None:
        """Its states are of no use, because `why`: it is one that does not resume from now on."""
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
