"""A user's own iterable, walked from its start: any loader that cannot be read by row."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from streamer.columns import check_batch, spec_of
from streamer.randomness import Randomness
from streamer.sources import WHOLE, LoaderTraits, Shard
from streamer.sources.fresh import fresh, has_state
from streamer.structure import flatten
from streamer.user_code import user_fault
from wire.elements import Batch, ElementSpec, rows_of
from wire.errors import Fault, InvalidInput

log = logging.getLogger(__name__)

_END = object()


class WalkedLoader:
    """A loader whose batches come in its own order; `why` says in a sentence what keeps us from reading it by row.

    Its first batch is read once at the start, to learn the spec. Raises InvalidInput for a loader that is not
    iterable, can be walked only once, yields nothing, or raises.
    """

    def __init__(self, loader: Any, why: str, *, drop_last: bool = False) -> None:
        self._loader = loader
        self._name = type(loader).__name__
        self._stateful = has_state(loader)
        self.why = why
        first = self._first()
        self.spec = spec_of(first, f"the first batch of {self._name}")
        self.traits = LoaderTraits(rows_of(first), shuffle=False, drop_last=drop_last)

    @property
    def resumes(self) -> bool:
        """Whether the loader can go on from a state of its own."""
        return self._stateful

    def forget_states(self, why: str) -> None:
        """Treat it as a loader without state from now on; said once."""
        if self._stateful:
            self._stateful = False
            log.warning("the state of %s is not kept: %s; its streams are resumed by replay", self._name, why)

    def shards(self, of: int) -> bool:
        """Nobody but the loader knows what its batches are made of."""
        return of == 1

    def batches(self, epoch: int, seed: int = 0, state: Any = None, shard: Shard = WHOLE) -> LoaderWalk:
        """A walk of an epoch, from its beginning or from a state of such a walk. There is no shard but WHOLE.

        Raises InvalidInput for a batch that is not of the first batch's spec, and for a state that does not fit.
        """
        return LoaderWalk(self._loader, epoch, seed, state, self.spec)

    def describe(self) -> str:
        return f"{self._name}, walked from its start, because {self.why}"

    def _first(self) -> Batch:
        walk = LoaderWalk(self._loader, 0, 0)
        try:
            return next(walk)
        except StopIteration:
            raise InvalidInput(f"this {self._name} yields no batch", fix="check that its data is there") from None
        finally:
            walk.close()


class LoaderWalk:
    """The batches of one walk of an epoch; what user code draws at random is a function of (seed, epoch).

    state: what `state` of another walk of this epoch gave. spec: what every batch must be.
    """

    def __init__(self, loader: Any, epoch: int, seed: int, state: Any = None, spec: ElementSpec | None = None) -> None:
        self._shared, self._name = loader, type(loader).__name__
        self._own: Any = None
        self._epoch, self._seed, self._begun_at, self._spec = epoch, seed, state, spec
        self._randomness = Randomness(seed, epoch)
        self._batches: Iterator[Any] | None = None
        self._given = 0

    def __iter__(self) -> LoaderWalk:
        return self

    def __next__(self) -> Batch:
        if self._batches is None:
            self._batches = self._begin()
        doing = f"batch {self._given} of epoch {self._epoch} was read from {self._name}"
        with _errors(doing), self._randomness.held():
            item = next(self._batches, _END)
        if item is _END:
            self.close()
            raise StopIteration
        batch = flatten(item)
        if self._spec is not None:
            check_batch(batch, self._spec, f"batch {self._given} of epoch {self._epoch} of {self._name}")
        self._given += 1
        return batch

    def state(self) -> Any:
        """Where the loader and the random generators are, after the batch given last; None once the walk is over."""
        if self._own is None:
            return None
        with _errors(f"{self._name}.state_dict() was called"), self._randomness.held():
            own = self._own.state_dict()
        return own, self._randomness.state

    def close(self) -> None:
        """Let the user's iterator go, with the processes it may have."""
        self._batches, self._own = iter(()), None

    def _begin(self) -> Iterator[Any]:
        with _errors(f"epoch {self._epoch} of {self._name} was begun"), self._randomness.held():
            self._own = fresh(self._shared, self._epoch, self._seed)
            if self._begun_at is None:
                batches: Iterator[Any] = iter(self._own)
                return batches
        own, drawn = self._begun_at
        with _errors(f"{self._name}.load_state_dict() was called"), self._randomness.held():
            self._own.load_state_dict(own)
            batches = iter(self._own)
        self._randomness.state = drawn
        return batches


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
