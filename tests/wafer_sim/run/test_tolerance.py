"""How many bad samples a run may have."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wafer_sim.ledger import Taken
from wafer_sim.run.tolerance import JUDGED_FROM, Tolerance
from wire.codec import BadSample
from wire.cursor import Cursor
from wire.errors import InvalidInput


def taken(rows: int, *places: int, sequence: int = 0) -> Taken:
    bad = tuple(BadSample(place, 1000 + place, "a.parquet", "torn") for place in places)
    cursor = Cursor(0, 0, sequence)
    return Taken(cursor, cursor.following(), rows, bad=bad)


def test_without_bounds_everything_is_tolerated() -> None:
    """All of many samples may be bad."""
    tolerance = Tolerance()
    for _ in range(10):
        tolerance.count([taken(1000, *range(1000))])
    assert (tolerance.bad, tolerance.samples) == (10_000, 10_000)


def test_as_many_in_a_row_as_are_tolerated_pass_and_one_more_does_not() -> None:
    """The error names count, bound and the last bad sample with its row, file, reason and cursor."""
    tolerance = Tolerance(in_a_row=3)
    tolerance.count([taken(8, 0, 1, 2, 4, 5, 6)])
    with pytest.raises(InvalidInput, match="4 samples in a row are bad; 3 are tolerated") as ended:
        tolerance.count([taken(8, 1, 2, 3, 4, 6, sequence=1)])
    assert ended.value.where == "the last one: row 1004 of a.parquet (torn), stream 0 epoch 0 batch 1"
    assert "bad_samples_in_a_row" in ended.value.fix


def test_a_row_goes_on_over_batches_of_replicas_and_steps() -> None:
    """The last of one batch and the first of the next are neighbours, in the order of the replicas."""
    tolerance = Tolerance(in_a_row=2)
    tolerance.count([taken(4, 3), taken(4, 0)])
    tolerance.count([taken(4), taken(4, 3)])
    with pytest.raises(InvalidInput, match="3 samples in a row"):
        tolerance.count([taken(4, 0, 1), taken(4)])


def test_a_fraction_is_judged_from_the_first_thousand_samples_on() -> None:
    """Half of the first batch may be bad; at a thousand samples no more than the fraction may be."""
    early = Tolerance(fraction=0.01)
    early.count([taken(20, *range(0, 20, 2))])
    early.count([taken(JUDGED_FROM - 20)])
    with pytest.raises(InvalidInput, match=r"11 of 1,010 samples are bad, 1.09%; 1.00% are tolerated") as ended:
        early.count([taken(10, 5)])
    assert "bad_samples_fraction" in ended.value.fix
    with pytest.raises(InvalidInput, match=r"11 of 1,000"):
        Tolerance(fraction=0.01).count([taken(JUDGED_FROM, *range(0, 22, 2))])


def test_the_counters_go_on_over_a_resume() -> None:
    """With the samples of before, the same batch passes the bound at the same place."""
    with pytest.raises(InvalidInput, match="3 of 1,004"):
        Tolerance(fraction=0.002, samples=1000, bad=2).count([taken(4, 1)])


@given(
    st.lists(st.lists(st.booleans(), min_size=1, max_size=12), max_size=20),
    st.integers(1, 4),
    st.integers(1, 3),
)
def test_the_row_is_that_of_all_samples_in_order(batches: list[list[bool]], bound: int, replicas: int) -> None:
    """However samples are cut into batches and steps, the bound is passed by the same sample."""
    flat = [bad for batch in batches for bad in batch]
    runs = [0]
    for bad in flat:
        runs.append(runs[-1] + 1 if bad else 0)
    tolerance, ended = Tolerance(in_a_row=bound), False
    given_batches = [taken(len(batch), *(i for i, bad in enumerate(batch) if bad)) for batch in batches]
    try:
        for at in range(0, len(given_batches), replicas):
            tolerance.count(given_batches[at : at + replicas])
    except InvalidInput:
        ended = True
    assert ended == (max(runs) > bound)
