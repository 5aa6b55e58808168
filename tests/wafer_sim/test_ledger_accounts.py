"""Accounts: whatever is committed in whatever order, every row is counted, and what is wrong is found."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wafer_sim import ledger_file
from wafer_sim.accounts import LARGEST_ROWS, LISTED_BAD, Accounts, SkippedRange, totals
from wafer_sim.checkpoints import Checkpoint
from wafer_sim.ledger import Ledger, StreamPosition, Taken
from wafer_sim.proof import Proof, proof_of
from wafer_sim.runtime.protocol import State
from wire.codec import BadSample
from wire.cursor import Cursor

Streams = list[list[Taken]]
Shape = tuple[int, int, int, int]  # rows, rows of a batch, streams, epochs


@st.composite
def shapes(draw: st.DrawFn) -> Shape:
    size = draw(st.integers(1, 9))
    return draw(st.integers(size, 70)), size, draw(st.integers(1, 4)), draw(st.integers(1, 4))


def cut(shape: Shape, chance: random.Random) -> Streams:
    """Epochs in an order of their own, cut into batches, each given to any stream; the last rows are left out."""
    rows, size, streams, epochs = shape
    made: list[list[tuple[int, np.ndarray]]] = [[] for _ in range(streams)]
    for epoch in range(epochs):
        order = np.array(chance.sample(range(rows), rows), np.int64)
        for start in range(0, rows - size + 1, size):
            made[chance.randrange(streams)].append((epoch, order[start : start + size]))
    return [list(linked(stream, batches, epochs)) for stream, batches in enumerate(made)]


def linked(stream: int, batches: list[tuple[int, np.ndarray]], epochs: int) -> Iterator[Taken]:
    """Batches of a stream, each followed by the next one; after the last comes an epoch that nobody takes."""
    cursors: list[Cursor] = []
    for epoch, _ in batches:
        same = bool(cursors) and cursors[-1].epoch == epoch
        cursors.append(cursors[-1].following() if same else Cursor(stream, epoch))
    for (epoch, rows), at, following in zip(batches, cursors, [*cursors, Cursor(stream, epochs)][1:], strict=True):
        yield Taken(at, following, len(rows), int(rows.sum()) + epoch, rows)


def begun(streams: Streams, shape: Shape) -> Ledger:
    first = (taken[0].cursor if taken else Cursor(i, shape[3]) for i, taken in enumerate(streams))
    return Ledger((StreamPosition(cursor) for cursor in first), Accounts(shape[0]))


def mixed(streams: Streams, chance: random.Random) -> Iterator[Taken]:
    """The batches of all streams, those of each in order."""
    left = [list(reversed(stream)) for stream in streams if stream]
    while left:
        stream = chance.choice(left)
        yield stream.pop()
        left = [stream for stream in left if stream]


def saved_and_read(ledger: Ledger) -> Ledger:
    content = ledger_file.pack(ledger.accounts, tuple(ledger.positions.values()))
    accounts, states = ledger_file.unpack(content)
    positions = [replace(p, loader_state=states.get(p.cursor.stream)) for p in ledger.positions.values()]
    again = Ledger(positions, accounts)
    assert content == ledger_file.pack(again.accounts, positions)
    assert again.positions == ledger.positions
    return again


def proven(ledger: Ledger, shape: Shape, steps: int) -> Proof:
    data = {"batch_size": shape[1], "drop_remainder": True, "rows": shape[0], "replicas": 1}
    return proof_of(Checkpoint(steps, State({}), tuple(ledger.positions.values()), data=data, accounts=ledger.accounts))


@given(shape=shapes(), chance=st.randoms(use_true_random=False))
def test_any_order_of_any_partition_is_every_row_once(shape: Shape, chance: random.Random) -> None:
    """0 missing, 0 twice, whatever is saved and read back in between; what drop_last leaves out is said."""
    rows, size, _, epochs = shape
    streams = cut(shape, chance)
    ledger, steps = begun(streams, shape), 0
    for steps, taken in enumerate(mixed(streams, chance), 1):  # noqa: B007 - the last one is used
        ledger.commit([taken])
        if chance.random() < 0.1:
            ledger = saved_and_read(ledger)
    proof = proven(ledger, shape, steps)
    assert (proof.missing, proof.sums.twice, proof.faults, proof.unknown) == (0, 0, (), ())
    assert proof.dropped == epochs * (rows % size)
    assert proof.samples == proof.sums.taken == epochs * (rows - rows % size)
    assert len(proof.epochs) == epochs
    assert ledger.accounts.bitmaps == {}


@given(shape=shapes(), chance=st.randoms(use_true_random=False))
def test_a_batch_that_was_left_out_is_found(shape: Shape, chance: random.Random) -> None:
    """Its rows are missing, although the cursors know nothing of it."""
    streams = cut(shape, chance)
    victim = chance.choice([stream for stream in streams if stream])
    at = chance.randrange(len(victim))
    gone = victim.pop(at)
    pairs = [(taken.cursor.epoch, taken.row_numbers) for taken in victim]
    victim[:] = linked(gone.cursor.stream, pairs, shape[3])
    ledger = begun(streams, shape)
    for taken in mixed(streams, chance):
        ledger.commit([taken])
    proof = proven(ledger, shape, sum(map(len, streams)))
    assert (proof.missing, proof.sums.twice) == (shape[1], 0)
    assert not proof.holds


@given(shape=shapes(), chance=st.randoms(use_true_random=False))
def test_a_batch_that_came_twice_is_found(shape: Shape, chance: random.Random) -> None:
    """Its rows came twice, whichever stream brings them again and whenever."""
    streams = cut(shape, chance)
    again = chance.choice([taken for stream in streams for taken in stream])
    thief = chance.choice(streams)
    pairs = sorted(
        [*((t.cursor.epoch, t.row_numbers) for t in thief), (again.cursor.epoch, again.row_numbers)], key=lambda p: p[0]
    )
    thief[:] = linked(streams.index(thief), pairs, shape[3])
    ledger = begun(streams, shape)
    for taken in mixed(streams, chance):
        ledger.commit([taken])
    proof = proven(ledger, shape, sum(map(len, streams)))
    assert (proof.missing, proof.sums.twice) == (0, shape[1])
    assert not proof.holds


@given(shape=shapes(), chance=st.randoms(use_true_random=False))
def test_digests_are_equal_for_the_same_batches_in_the_same_order_only(shape: Shape, chance: random.Random) -> None:
    """Streams may be mixed as they like; another batch, or another order in a stream, shows."""
    streams = cut(shape, chance)
    one, other = begun(streams, shape), begun(streams, shape)
    for taken in mixed(streams, chance):
        one.commit([taken])
    for taken in mixed(streams, chance):
        other.commit([taken])
    assert one.positions == other.positions
    changed = chance.choice([stream for stream in streams if stream])
    at = chance.randrange(len(changed))
    changed[at] = changed[at]._replace(digest=changed[at].digest + 1)
    differs = begun(streams, shape)
    for taken in mixed(streams, chance):
        differs.commit([taken])
    stream = changed[at].cursor.stream
    assert differs.positions[stream].digest != one.positions[stream].digest
    assert all(differs.positions[i].digest == one.positions[i].digest for i in one.positions if i != stream)


@given(shape=shapes(), chance=st.randoms(use_true_random=False), share=st.floats(0.0, 1.0))
def test_bad_and_skipped_rows_are_neither_missing_nor_twice(shape: Shape, chance: random.Random, share: float) -> None:
    """A stand-in does not count as its row again; every sample that came is in one of the four sums."""
    streams = cut(shape, chance)
    ledger, trained, skipped_samples = begun(streams, shape), 0, 0
    for taken in mixed(streams, chance):
        skipped = chance.random() < share / 2
        ledger.commit([with_bad(taken, chance, share)], skipped=skipped)
        trained += not skipped
        skipped_samples += skipped * taken.rows
    proof = proven(ledger, shape, trained)
    assert (proof.missing, proof.sums.twice, proof.faults) == (0, 0, ())
    assert proof.sums.skipped == skipped_samples == sum(each.samples for each in ledger.accounts.skipped)
    assert proof.sums.taken + proof.sums.bad + proof.sums.skipped == proof.samples
    saved_and_read(ledger)


def with_bad(taken: Taken, chance: random.Random, share: float) -> Taken:
    """Some of its rows could not be read; the row before, or after, stands in for each."""
    bad = [place for place in range(1, taken.rows) if chance.random() < share]
    rows = taken.row_numbers.copy()
    samples = tuple(BadSample(place, int(rows[place]), f"part-0:{rows[place]}", "no JPEG") for place in bad)
    rows[bad] = rows[0]
    return taken._replace(row_numbers=rows, bad=samples)


def batch(epoch: int, sequence: int, rows: list[int], last: bool = False, **more: object) -> Taken:
    cursor = Cursor(0, epoch, sequence)
    following = cursor.next_epoch() if last else cursor.following()
    return Taken(cursor, following, len(rows), sequence, np.array(rows, np.int64), **more)


BESIDE = batch(0, 0, [5, 6])._replace(cursor=Cursor(1), following=Cursor(1, 0, 1))


@pytest.mark.parametrize(
    ("taken", "said"),
    [(batch(0, 2, [3, 4]), "is due"), (batch(0, 1, [3])._replace(cursor=Cursor(4)), "no such stream")],
)
def test_a_batch_that_is_not_due_is_refused_and_changes_nothing(taken: Taken, said: str) -> None:
    """Positions, digests and accounts stay, also those of the batches before it in the step."""
    ledger = Ledger.fresh(2, rows=10)
    ledger.commit([batch(0, 0, [0, 1])])
    before = dict(ledger.positions), ledger_file.pack(ledger.accounts, ())
    with pytest.raises(ValueError, match=said):
        ledger.commit([BESIDE, taken])
    assert (dict(ledger.positions), ledger_file.pack(ledger.accounts, ())) == before


@pytest.mark.parametrize(
    ("taken", "said"),
    [
        (batch(0, 1, [3, 10]), "row 10; there are 10 rows"),
        (batch(0, 1, [-1, 3]), "row -1"),
        (batch(0, 1, [3, 4])._replace(rows=3), "2 row numbers"),
        (batch(0, 1, [3, 4], bad=(BadSample(2, 4, "", ""),)), "1 bad samples"),
        (batch(0, 1, [3, 4], bad=(BadSample(1, 11, "", ""),)), "row 11"),
    ],
)
def test_rows_that_cannot_be_are_never_seen_in_the_books(taken: Taken, said: str) -> None:
    """Whoever looks at positions or accounts gets the error instead, again and again: nothing of it is saved."""
    ledger = Ledger.fresh(2, rows=10)
    ledger.commit([batch(0, 0, [0, 1])])
    ledger.commit([BESIDE, taken])
    for _ in range(2):
        with pytest.raises(ValueError, match=said):
            _ = ledger.accounts
        with pytest.raises(ValueError, match=said):
            _ = ledger.positions


def test_a_row_twice_in_one_batch_is_twice() -> None:
    """Also where nothing came before."""
    ledger = Ledger.fresh(1, rows=10)
    ledger.commit([batch(0, 0, [4, 4, 4, 5])])
    assert (ledger.accounts.epochs[0].taken, ledger.accounts.epochs[0].twice) == (2, 2)


def test_two_bitmaps_are_enough_for_a_run() -> None:
    """Streams that take turns leave an epoch before the next but one begins, and what is closed stays counted."""
    ledger = Ledger.fresh(3, rows=30)
    cursors = [Cursor(stream) for stream in range(3)]
    most = 0
    for turn in range(35):
        for stream in (0, 1, 2, 0, 1, 2):  # stream 2 is an epoch behind the others: its last batch of it comes first
            if turn == 0 and stream == 2:
                continue
            at = cursors[stream]
            cursors[stream] = at.following() if at.sequence == 0 else at.next_epoch()
            start = 5 * (2 * stream + at.sequence)
            ledger.commit([Taken(at, cursors[stream], 5, 0, np.arange(start, start + 5))])
            most = max(most, len(ledger.accounts.bitmaps))
    assert most == 2
    assert ledger.accounts.closed_below == 34
    assert {ledger.accounts.missing(epoch) for epoch in range(34)} == {0}


def test_rows_of_a_closed_epoch_come_again() -> None:
    """Its bitmap is gone; whoever goes back into it trains twice."""
    ledger = Ledger.fresh(1, rows=4)
    ledger.commit([batch(0, 0, [0, 1, 2, 3], last=True)])
    back = Ledger([StreamPosition(Cursor(0), 4, 1)], ledger.accounts)
    back.commit([batch(0, 0, [0, 1])])
    assert totals(back.accounts.epochs).twice == 2


def test_an_epoch_that_never_came_is_missing() -> None:
    """A stream that jumps over an epoch leaves all of its rows out."""
    ledger = Ledger.fresh(1, rows=4)
    ledger.commit([batch(0, 0, [0, 1, 2, 3])._replace(following=Cursor(0, 3))])
    proof = proven(ledger, (4, 4, 1, 3), 1)
    assert (proof.absent, proof.missing, proof.faults) == (2, 8, ("8 samples are missing",))


def test_sequential_sources_are_counted_by_epoch() -> None:
    """Samples and batches, whatever the row numbers: nothing is said of rows."""
    ledger = Ledger.fresh(1)
    for sequence in range(3):
        ledger.commit([batch(0, sequence, [7, 7], last=sequence == 2)._replace(row_numbers=None)])
    account = ledger.accounts.epochs[0]
    assert (account.samples, account.batches, account.taken, account.twice) == (6, 3, 6, 0)
    assert (ledger.accounts.bitmaps, proven(ledger, (0, 2, 1, 1), 3).missing) == ({}, None)


def test_a_source_too_large_says_so() -> None:
    """Beyond 2**28 rows no bitmap is made, and the proof does not claim what it does not know."""
    ledger = Ledger.fresh(1, rows=LARGEST_ROWS + 1)
    ledger.commit([batch(0, 0, [7, 7])])
    assert ledger.accounts.bitmaps == {}
    proof = proven(ledger, (LARGEST_ROWS + 1, 2, 1, 1), 1)
    assert (proof.missing, proof.faults) == (None, ())
    assert "not accounted by row" in proof.unknown[0]


def test_samples_without_row_numbers_are_no_proof() -> None:
    """An indexed source whose frames do not say which rows they have: nothing is claimed."""
    ledger = Ledger.fresh(1, rows=10)
    ledger.commit([batch(0, 0, [1, 2])._replace(row_numbers=None)])
    proof = proven(ledger, (10, 2, 1, 1), 1)
    assert proof.missing is None
    assert "2 samples came without row numbers" in proof.unknown[0]


def test_accounts_that_begin_late_say_since_when() -> None:
    """A run that goes on from a checkpoint without accounts knows of later epochs only."""
    ledger = Ledger([StreamPosition(Cursor(0, 1, 1), 6, 3)], Accounts(rows=4))
    ledger.commit([batch(1, 1, [2, 3], last=True)])
    ledger.commit([batch(2, 0, [2, 3])])
    ledger.commit([batch(2, 1, [0, 1], last=True)])
    proof = proven(ledger, (4, 2, 1, 3), 6)
    assert (proof.missing, proof.faults, proof.samples) == (0, (), 12)
    assert proof.unknown[0].startswith("the first 6 samples were taken before accounts were kept")
    later = Ledger(ledger.positions.values(), ledger.accounts)
    later.commit([batch(3, 0, [0, 1], last=True)])
    assert proven(later, (4, 2, 1, 4), 7).missing == 2


def test_skipped_steps_are_ranges_of_the_input() -> None:
    """Numbered from 1 over the whole run, replicas counting once, neighbours joined, also over a resume."""
    positions = [StreamPosition(Cursor(stream)) for stream in range(2)]
    ledger = Ledger(positions, Accounts(rows=100))
    for step in range(8):
        if step == 4:
            ledger = saved_and_read(ledger)
        rows = [np.arange(r * 40 + step * 2, r * 40 + step * 2 + 2) for r in range(2)]
        both = [Taken(Cursor(r, 0, step), Cursor(r, 0, step + 1), 2, 0, rows[r]) for r in range(2)]
        ledger.commit(both, skipped=step in (1, 3, 4, 5))
    assert ledger.accounts.skipped == [SkippedRange(2, 2, 4), SkippedRange(4, 6, 12)]
    assert ledger.accounts.epochs[0].skipped_batches == 8


def test_bad_samples_are_listed_up_to_a_bound() -> None:
    """The first thousand in full, with words of bounded length; then they are counted."""
    ledger = Ledger.fresh(1)
    bad = tuple(BadSample(place, place, "f" * 5_000, "why") for place in range(400))
    for sequence in range(4):
        ledger.commit([Taken(Cursor(0, 0, sequence), Cursor(0, 0, sequence + 1), 500, bad=bad)])
    assert (len(ledger.accounts.bad), ledger.accounts.bad_count) == (LISTED_BAD, 1_600)
    assert len(ledger.accounts.bad[0].where) == 1_000
    assert (ledger.accounts.bad[400].cursor, ledger.accounts.bad[400].row) == (Cursor(0, 0, 1), 0)


@settings(max_examples=200)
@given(st.binary(max_size=200))
def test_other_bytes_are_no_ledger(content: bytes) -> None:
    """Whatever a file has, reading it gives a ledger or a ValueError."""
    with pytest.raises(ValueError, match="no ledger"):
        ledger_file.unpack(content)
