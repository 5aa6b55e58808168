"""The ledger: positions that move with committed steps only."""

from __future__ import annotations

import pytest

from wafer_sim.ledger import Ledger, LoaderState, StreamPosition, Taken
from wire.cursor import Cursor
from wire.history import BEGINNING, history_after


def test_the_ledger_moves_with_committed_steps_only() -> None:
    """A commit moves the streams of its batches and counts their samples."""
    ledger = Ledger.fresh(2)
    ledger.commit([Taken(Cursor(0), Cursor(0, 0, 1), 32), Taken(Cursor(1), Cursor(1, 1, 0), 16)])
    first, second = ledger.positions[0], ledger.positions[1]
    assert (first.cursor, first.samples, first.batches) == (Cursor(0, 0, 1), 32, 1)
    assert (second.cursor, second.samples, second.batches) == (Cursor(1, 1, 0), 16, 1)
    assert ledger.samples == 48


def test_the_ledger_refuses_a_batch_that_is_not_due() -> None:
    """A batch committed twice, or out of order, is a fault of the program and raises."""
    ledger = Ledger.fresh(1)
    ledger.commit([Taken(Cursor(0), Cursor(0, 0, 1), 32)])
    with pytest.raises(ValueError, match="is due"):
        ledger.commit([Taken(Cursor(0), Cursor(0, 0, 1), 32)])


def test_a_step_may_take_several_batches_of_a_stream() -> None:
    """They follow each other within the step."""
    ledger = Ledger.fresh(1)
    ledger.commit([Taken(Cursor(0, 0, i), Cursor(0, 0, i + 1), 2) for i in range(3)])
    assert ledger.positions[0].batches == 3


def test_digests_chain_over_all_and_histories_over_the_epoch() -> None:
    """The history begins anew with each epoch; the digest never does."""
    ledger = Ledger.fresh(1)
    at = [Cursor(0, 0, 0), Cursor(0, 0, 1), Cursor(0, 1, 0), Cursor(0, 1, 1)]
    ledger.commit([Taken(at[0], at[1], 1, digest=7)])
    first = history_after(b"", at[0], 7)
    assert (ledger.positions[0].digest, ledger.positions[0].history) == (first, first)
    ledger.commit([Taken(at[1], at[2], 1, digest=8)])
    second = history_after(first, at[1], 8)
    assert (ledger.positions[0].digest, ledger.positions[0].history) == (second, BEGINNING)
    ledger.commit([Taken(at[2], at[3], 1, digest=9)])
    assert ledger.positions[0].digest == history_after(second, at[2], 9)
    assert ledger.positions[0].history == history_after(BEGINNING, at[2], 9)


def test_the_newest_loader_state_of_the_epoch_is_kept() -> None:
    """A batch without one leaves the one before; the next epoch begins without any."""
    ledger = Ledger.fresh(1)
    ledger.commit([Taken(Cursor(0), Cursor(0, 0, 1), 1, loader_state=b"one")])
    ledger.commit([Taken(Cursor(0, 0, 1), Cursor(0, 0, 2), 1)])
    assert ledger.positions[0].loader_state == LoaderState(Cursor(0, 0, 1), b"one")
    ledger.commit([Taken(Cursor(0, 0, 2), Cursor(0, 1), 1)])
    assert ledger.positions[0].loader_state is None
    ledger.commit([Taken(Cursor(0, 1), Cursor(0, 2), 1, loader_state=b"end")])
    assert ledger.positions[0].loader_state == LoaderState(Cursor(0, 2), b"end")


def test_a_ledger_goes_on_from_positions() -> None:
    """What was taken before stays counted, and it is known that no accounts were kept of it."""
    start = StreamPosition(Cursor(0, 1, 2), 300, 3, b"d" * 16, b"h" * 16)
    ledger = Ledger([start])
    ledger.commit([Taken(start.cursor, start.cursor.following(), 100, digest=1)])
    position = ledger.positions[0]
    assert (position.samples, position.batches) == (400, 4)
    assert position.digest == history_after(start.digest, start.cursor, 1)
    assert position.history == history_after(start.history, start.cursor, 1)
    assert (ledger.accounts.before, ledger.accounts.whole_from, ledger.accounts.samples) == (300, 2, 100)


def test_a_position_of_another_epoch_closes_those_before() -> None:
    """Only what every stream has left can bring nothing more."""
    ledger = Ledger([StreamPosition(Cursor(0, 2)), StreamPosition(Cursor(1, 5))])
    assert ledger.accounts.closed_below == 2
    ledger.commit([Taken(Cursor(0, 2), Cursor(0, 7), 1)._replace(digest=1)])
    assert ledger.accounts.closed_below == 5
