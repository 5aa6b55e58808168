"""Credits never exceed the window and never run dry for ever."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wafer_sim.ingest.credits import CreditWindow
from wafer_sim.ingest.gate import Gate, Verdict
from wire.codec import Frame
from wire.cursor import Cursor

SIZES = st.lists(st.integers(1, 400), min_size=1, max_size=200)


@given(SIZES, st.integers(1, 40), st.integers(1, 1000), st.randoms(use_true_random=False))
def test_a_sender_that_keeps_to_its_credit_is_never_stuck(sizes: list[int], batches: int, nbytes: int, random) -> None:
    """Whatever the batch sizes and the pace of the replica, all batches pass and at most a window of them is held."""
    window = CreditWindow(batches, nbytes)
    credit, credit_bytes = window.reopen()
    held: deque[int] = deque()
    left = deque(sizes)
    while left or held:
        can_send = bool(left) and credit > 0 and credit_bytes > 0
        assert can_send or held, "nothing can be sent and nothing is left to take"
        if can_send and (not held or random.random() < 0.5):
            size = left.popleft()
            window.entered(1, size)
            held.append(size)
            credit, credit_bytes = credit - 1, credit_bytes - size
        else:
            grant = window.taken(1, held.popleft())
            if grant:
                credit, credit_bytes = credit + grant[0], credit_bytes + grant[1]
        assert len(held) <= batches


RUNS = st.lists(st.tuples(st.integers(1, 9), st.integers(1, 500)), max_size=60)


@given(RUNS, st.integers(1, 20), st.integers(1, 2000), st.randoms(use_true_random=False))
def test_senders_of_several_batches_at_once_are_never_refused(runs, batches: int, nbytes: int, random) -> None:
    """Whatever is sent while there is credit arrives while the window is open, also after others have overdrawn it."""
    window = CreditWindow(batches, nbytes)
    credit, credit_bytes = window.reopen()
    held: deque[tuple[int, int]] = deque()
    left = deque(runs)
    while left or held:
        can_send = bool(left) and credit > 0 and credit_bytes > 0
        assert can_send or held, "nothing can be sent and nothing is left to take"
        if random.random() < 0.1:
            credit, credit_bytes = window.reopen()
        elif can_send and (not held or random.random() < 0.5):
            assert window.open > 0
            count, size = left.popleft()
            window.entered(count, size)
            held.append((count, size))
            credit, credit_bytes = credit - count, credit_bytes - size
        elif held and (grant := window.taken(*held.popleft())):
            assert min(grant) >= 0
            credit, credit_bytes = credit + grant[0], credit_bytes + grant[1]
        assert sum(count for count, _ in held) + max(0, credit) <= batches + 8


@given(SIZES, st.integers(0, 100))
def test_a_new_sender_gets_what_the_window_has_left(sizes: list[int], taken: int) -> None:
    """After a change of host the credits are the window less what is held, whatever the old host had used."""
    window = CreditWindow(256, 1 << 20)
    window.reopen()
    for size in sizes:
        window.entered(1, size)
    for size in sizes[:taken]:
        window.taken(1, size)
    held = sizes[taken:]
    assert window.reopen() == (256 - len(held), (1 << 20) - sum(held))


def test_grants_are_gathered_into_lumps() -> None:
    """No grant is made for a single small batch of a large window; a quarter of the window is granted at once."""
    window = CreditWindow(32, 1 << 20)
    grants = []
    for _ in range(16):
        window.entered(1, 10)
        grants.append(window.taken(1, 10))
    assert grants == [None] * 7 + [(8, 80)] + [None] * 7 + [(8, 80)]


@dataclass(frozen=True)
class World:
    """A stream, its sender of now and its receiver: every queue between them, as plain values.

    next: the number that the sender sends next; at the end of the stream it has sent the end. credit: its own count.
    wire: (number) on the way to the gate. grants: on the way to the sender. gate: expected number, whether the end
    was let in. held: numbers in the seam. window: the receiver's credits. taken: numbers that the replica took.
    """

    next: int
    credit: tuple[int, int]
    wire: tuple[int, ...]
    grants: tuple[tuple[int, int], ...]
    expected: int
    ended: bool
    held: tuple[int, ...]
    window: tuple[int, ...]
    taken: tuple[int, ...]
    senders: int


class Model:
    """All that can happen, with the real gate and the real window in it. sizes: bytes of each message, the end last."""

    def __init__(self, sizes: tuple[int, ...], batches: int, nbytes: int, *, senders: int, repeats: int) -> None:
        self.sizes, self.batches, self.bytes = sizes, batches, nbytes
        self.senders, self.repeats = senders, repeats
        self.end = len(sizes) - 1

    def start(self) -> World:
        window = CreditWindow(self.batches, self.bytes)
        return World(0, window.reopen(), (), (), 0, False, (), vars_of(window), (), 1)

    def moves(self, world: World) -> Iterator[World]:
        """What can happen without a change of the sender."""
        if world.next <= self.end and world.credit[0] > 0 and world.credit[1] > 0:
            left = world.credit[0] - 1, world.credit[1] - self.sizes[world.next]
            yield replace(world, next=world.next + 1, credit=left, wire=(*world.wire, world.next))
        if world.grants:
            (batches, nbytes), *rest = world.grants
            more = world.credit[0] + batches, world.credit[1] + nbytes
            yield replace(world, credit=more, grants=tuple(rest))
        if world.wire:
            yield self._arrives(world)
        if world.held:
            yield self._takes(world)

    def changes(self, world: World) -> Iterator[World]:
        """Another sender comes; what was on the way from and to the old one is lost. It may repeat a few batches."""
        if world.senders >= self.senders:
            return
        for back in range(min(self.repeats, world.expected) + 1):
            window = self._window(world)
            credit = window.reopen()
            first = self.end + 1 if world.ended and not back else world.expected - back
            yield replace(
                world,
                next=first,
                credit=credit,
                wire=(),
                grants=(),
                window=vars_of(window),
                senders=world.senders + 1,
            )

    def over(self, world: World) -> bool:
        return world.taken == tuple(range(self.end + 1))

    def _arrives(self, world: World) -> World:
        number, *rest = world.wire
        cursor, window = Cursor(0, 0, number), self._window(world)
        following = cursor if number == self.end else cursor.following()
        gate = Gate(Cursor(0, 0, world.expected), lease=1, ended=world.ended)
        grants, held = world.grants, world.held
        if gate.judge(1, Frame(cursor, following, {}, number == self.end)) is Verdict.TAKE:
            window.entered(1, self.sizes[number])
            held = (*held, number)
        elif grant := window.returned(1, self.sizes[number]):
            grants = (*grants, grant)
        return replace(
            world,
            wire=tuple(rest),
            grants=grants,
            held=held,
            expected=gate.expected.sequence,
            ended=gate.ended,
            window=vars_of(window),
        )

    def _takes(self, world: World) -> World:
        number, *rest = world.held
        window = self._window(world)
        grant = window.taken(1, self.sizes[number])
        grants = (*world.grants, grant) if grant else world.grants
        return replace(world, held=tuple(rest), taken=(*world.taken, number), grants=grants, window=vars_of(window))

    def _window(self, world: World) -> CreditWindow:
        return CreditWindow(self.batches, self.bytes, *world.window)


def vars_of(window: CreditWindow) -> tuple[int, ...]:
    return window._held, window._held_bytes, window._back, window._back_bytes


def explored(model: Model) -> set[World]:
    """Every state that can be reached."""
    seen, todo = {model.start()}, [model.start()]
    while todo:
        world = todo.pop()
        for after in itertools.chain(model.moves(world), model.changes(world)):
            if after not in seen:
                seen.add(after)
                todo.append(after)
    return seen


WINDOWS = [(1, 10), (2, 10), (3, 25), (4, 7), (8, 1), (5, 100)]
STREAMS = [(3, 3, 3, 3, 3, 1), (1, 30, 1, 1, 30, 1), (30, 1, 1, 1, 1, 1)]


@pytest.mark.parametrize("sizes", STREAMS, ids=["even", "odd ones", "large first"])
@pytest.mark.parametrize(("batches", "nbytes"), WINDOWS)
def test_in_every_state_that_can_be_reached_a_batch_can_still_move(
    batches: int, nbytes: int, sizes: tuple[int, ...]
) -> None:
    """Exhaustively, with senders replaced at any moment and repeating what is known: credit never runs dry.

    Each move brings a batch or a grant one place further, so where one is always possible the stream ends; batches are
    taken once and in order, and what is held and may still be sent is never more than the window.
    """
    model = Model(sizes, batches, nbytes, senders=3, repeats=2)
    worlds = explored(model)
    for world in worlds:
        assert model.over(world) or next(model.moves(world), None) is not None, world
        assert world.taken == tuple(range(len(world.taken)))
        promised = world.credit[0] + len(world.wire) + sum(grant[0] for grant in world.grants)
        assert len(world.held) + promised + world.window[2] <= batches, world
    assert any(model.over(world) and world.senders == 3 for world in worlds)
    assert len(worlds) > 100
