"""A user's own iterable, walked from its start: any loader that cannot be read by row."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from streamer.columns import check_batch, spec_of
from streamer.order import key_of
from streamer.randomness import Randomness
from streamer.sources import LoaderTraits
from streamer.structure import flatten
from streamer.user_code import user_fault
from wire.elements import Batch, rows_of
from wire.errors import Fault, InvalidInput

_END = object()


class WalkedLoader:
    """A loader whose batches come in its own order; `why` says in a sentence what keeps us from reading it by row.

    Its first batch is read once at the start, to learn the spec. Raises InvalidInput for a loader that is not
    iterable, can be walked only once, yields nothing, or raises.
    """

    def __init__(self, loader: Any, why: str, *, drop_last: bool = False) -> None:
        self._loader = loader
        self._name = type(loader).__name__
        self.why = why
        first = next(self._walk(0, 0), None)
        if first is None:
            raise InvalidInput(f"this {self._name} yields no batch", fix="check that its data is there")
        self.spec = spec_of(first, f"the first batch of {self._name}")
        self.traits = LoaderTraits(rows_of(first), shuffle=False, drop_last=drop_last)

    def batches(self, epoch: int, seed: int = 0) -> Iterator[Batch]:
        """The batches of an epoch. Raises InvalidInput for one that is not of the first batch's spec."""
        for number, batch in enumerate(self._walk(epoch, seed)):
            check_batch(batch, self.spec, f"batch {number} of epoch {epoch} of {self._name}")
            yield batch

    def describe(self) -> str:
        return f"{self._name}, walked from its start, because {self.why}"

    def _walk(self, epoch: int, seed: int) -> Iterator[Batch]:
        randomness = Randomness(seed, epoch)
        with self._errors(f"epoch {epoch} of {self._name} was begun"), randomness.held():
            batches = iter(_fresh(self._loader, epoch, seed))
        for number in itertools.count():
            with self._errors(f"batch {number} of epoch {epoch} was read from {self._name}"), randomness.held():
                item = next(batches, _END)
            if item is _END:
                return
            yield flatten(item)

    @staticmethod
    @contextmanager
    def _errors(doing: str) -> Iterator[None]:
        """What user code raises, as an error of ours."""
        try:
            yield
        except Fault:
            raise
        except Exception as error:
            raise user_fault(error, doing) from error


def check_iterable(loader: object) -> None:
    """Raises InvalidInput for what cannot be walked, or only once."""
    if not isinstance(loader, Iterable):
        raise InvalidInput(
            f"the data function returned a {type(loader).__name__}",
            fix="return a torch DataLoader, or an iterable of batches",
        )
    if isinstance(loader, Iterator):
        raise InvalidInput(
            f"the data function returned a {type(loader).__name__}, which can be walked only once",
            fix="return an object whose __iter__ starts anew, or a torch DataLoader",
        )


def _fresh(loader: Any, epoch: int, seed: int) -> Any:
    """The loader, ready for an epoch: its own generators seeded, and its processes its own.

    Worker processes must not be forked from a process that runs gRPC, and must not be shared between two walks.
    """
    if getattr(loader, "num_workers", 0):
        loader = copy.copy(loader)
        loader._iterator = None
        loader.multiprocessing_context = loader.multiprocessing_context or "forkserver"
    for part in (loader, getattr(loader, "sampler", None), getattr(loader, "batch_sampler", None)):
        if callable(set_epoch := getattr(part, "set_epoch", None)):
            set_epoch(epoch)
        if (generator := getattr(part, "generator", None)) is not None and hasattr(generator, "manual_seed"):
            generator.manual_seed(key_of(seed, epoch) >> 1)
    return loader
