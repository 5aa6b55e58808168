"""What is outside comes ahead of the layer that needs it, and goes after it. One thread brings it, for all replicas."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Protocol

Needs = Callable[[int], Sequence["Piece"]]
"""The number of a layer -> what has to be here while it runs."""


class Piece(Protocol):
    """Something outside. bytes: of memory that it takes while it is here."""

    bytes: int

    def fetch(self) -> None: ...
    def drop(self) -> None: ...


class Fetcher:
    """Counts who holds which piece; brings what comes next while there is room.

    ahead: the most layers that are brought before their turn. Whoever enters a layer never waits for room: what it
    needs is made sure of beforehand, and the room of a pass says what may be here beside it.
    """

    def __init__(self, ahead: int) -> None:
        self._ahead = ahead
        self._changed = threading.Condition()
        self._holders: Counter[Piece] = Counter()
        self._bytes = 0
        self._passes: list[Pass] = []
        self._thread: threading.Thread | None = None
        self._over = False

    def open(self, layers: int, needs: Needs, rooms: Sequence[int] | None = None) -> Pass:
        """A walk through layers 0 .. layers - 1. rooms: bytes that may be here during each; None: no bound."""
        made = Pass(self, layers, needs, rooms)
        with self._changed:
            self._passes.append(made)
            if self._thread is None:
                self._thread = threading.Thread(target=self._serve, name="fetching", daemon=True)
                self._thread.start()
            self._changed.notify_all()
        return made

    def is_free(self, piece: Piece) -> bool:
        """Whether nobody holds it."""
        with self._changed:
            return not self._holders[piece]

    def stop(self) -> None:
        """End the thread; what is needed still comes, but nothing ahead."""
        with self._changed:
            self._over = True
            self._changed.notify_all()

    def _serve(self) -> None:
        going = True
        while going:
            going = self._bring_next()  # a call of its own: what it held of a walk, and so of an executor, is gone

    def _bring_next(self) -> bool:
        with self._changed:
            self._changed.wait_for(lambda: self._over or any(self._may_fetch(p) for p in self._passes))
            if self._over:
                return False
            due = min((p for p in self._passes if self._may_fetch(p)), key=lambda p: p.fetched - p.at)
            due.fetching = True
            fresh = self._hold(due, due.needs(due.fetched + 1))
        problem = _fetched(fresh)
        with self._changed:
            due.fetching = False
            due.fetched += 1
            due.problem = due.problem or problem
            if due.closed:
                self._release(due, due.holding.copy())
            self._changed.notify_all()
        return True

    def _may_fetch(self, walk: Pass) -> bool:
        number = walk.fetched + 1
        if walk.closed or walk.fetching or number >= walk.layers or number > walk.at + self._ahead:
            return False
        if walk.rooms is None:
            return True
        more = sum(piece.bytes for piece in {*walk.needs(number)} if not self._holders[piece])
        return self._bytes + more <= min(walk.rooms[max(0, walk.at) : number + 1])

    def _hold(self, walk: Pass, pieces: Sequence[Piece]) -> list[Piece]:
        fresh = []
        for piece in pieces:
            if piece not in walk.holding:
                walk.holding.add(piece)
                if not self._holders[piece]:
                    self._bytes += piece.bytes
                    fresh.append(piece)
                self._holders[piece] += 1
        return fresh

    def _release(self, walk: Pass, pieces: set[Piece]) -> None:
        for piece in pieces:
            walk.holding.discard(piece)
            self._holders[piece] -= 1
            if not self._holders[piece]:
                del self._holders[piece]
                self._bytes -= piece.bytes
                piece.drop()

    def enter(self, walk: Pass) -> None:
        """What the next layer of a walk needs is held; it waits for what is just being brought. Raises its OSError."""
        with self._changed:
            walk.at += 1
            self._changed.wait_for(lambda: not (walk.fetching and walk.fetched + 1 == walk.at))
            if walk.problem is not None:
                raise walk.problem
            if walk.fetched < walk.at:
                self._hold(walk, walk.needs(walk.at))
                walk.fetched = walk.at
            self._changed.notify_all()

    def leave(self, walk: Pass) -> None:
        """What neither a layer that was brought needs, nor the next one, goes."""
        with self._changed:
            upto = max(walk.fetched + walk.fetching, walk.at + 1)
            coming = {piece for n in range(walk.at + 1, min(upto + 1, walk.layers)) for piece in walk.needs(n)}
            self._release(walk, walk.holding - coming)
            self._changed.notify_all()

    def close(self, walk: Pass) -> None:
        """Everything that a walk holds goes, whereever it is. May be called again."""
        with self._changed:
            walk.closed = True
            if walk in self._passes:
                self._passes.remove(walk)
            if not walk.fetching:
                self._release(walk, walk.holding.copy())
            self._changed.notify_all()


class Pass:
    """One walk through layers in order: `enter`, compute, `leave`, and so on; `close` at any time."""

    def __init__(self, fetcher: Fetcher, layers: int, needs: Needs, rooms: Sequence[int] | None) -> None:
        self._fetcher = fetcher
        self.layers = layers
        self.needs = needs
        self.rooms = rooms
        self.at = -1
        self.fetched = -1
        self.fetching = False
        self.closed = False
        self.problem: OSError | None = None
        self.holding: set[Piece] = set()

    def enter(self) -> None:
        """The next layer's turn: what it needs is held from now on."""
        self._fetcher.enter(self)

    def leave(self) -> None:
        """The layer is done."""
        self._fetcher.leave(self)

    def close(self) -> None:
        """Let everything go."""
        self._fetcher.close(self)


def _fetched(pieces: Sequence[Piece]) -> OSError | None:
    """Bring them; what went wrong is for the thread that needs them."""
    try:
        for piece in pieces:
            piece.fetch()
    except OSError as error:
        return error
    return None
