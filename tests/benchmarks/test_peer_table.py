"""Side by side: ratios, targets, refusals and turns."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.measure import Figure, Result
from benchmarks.peers.digest import Digest
from benchmarks.peers.table import Contender, Timed, figures, ratios, rounds
from wire.errors import Refused

SAME = Digest(60_000, 7)


def contender(name: str, digest: Digest, *rates: float) -> Contender:
    return Contender(name, digest, [Timed(rate, 1.0) for rate in rates])


OURS = contender("streamer", SAME, 10.0, 20.0, 30.0)


def test_a_ratio_is_taken_round_by_round() -> None:
    """Not of medians: what disturbs a round disturbs both."""
    assert ratios(OURS, contender("tfdata", SAME, 5.0, 4.0, 10.0)) == [2.0, 5.0, 3.0]


@pytest.mark.parametrize("other", [Digest(60_000, 8), Digest(59_999, 7), Digest()])
def test_other_samples_have_no_ratio(other: Digest) -> None:
    """A system that delivered other samples, or none, is not compared with."""
    with pytest.raises(Refused, match="did not deliver the same samples"):
        ratios(OURS, contender("tfdata", other, 5.0, 4.0, 10.0))


def test_a_refused_ratio_is_a_sentence_and_no_row() -> None:
    """The rates are shown, the ratio is not; those of others are."""
    wrong, right = contender("torch, x", Digest(1, 1), 1.0, 1.0, 1.0), contender("tfdata, y", SAME, 4.0, 4.0, 4.0)
    rows, refused = figures([OURS], [wrong, right])
    names = ["streamer", "torch, x", "tfdata, y"]
    assert [row.name for row in rows] == [*names, *(f"{name}: CPU" for name in names), "streamer / tfdata, y"]
    assert len(refused) == 1
    assert "torch, x" in refused[0]


def test_targets_are_for_the_first_of_ours() -> None:
    """Whatever the setting of the peer; the other transport is shown without one."""
    rows, _ = figures(
        [OURS, replace(OURS, name="streamer, TCP")], [contender("tfdata, indices", SAME, 5.0, 11.0, 30.0)]
    )
    assert [(row.target, row.met) for row in rows[6:]] == [(">= 2", False), ("", None)]


def test_everybody_has_a_turn_in_each_round_and_each_is_first() -> None:
    """Who goes first alternates."""
    turns = list(rounds(3, 3))
    assert [sorted(turn) for turn in turns] == [[0, 1, 2]] * 3
    assert [turn[0] for turn in turns] == [0, 1, 2]


def test_a_refusal_is_not_success() -> None:
    """A result without a missed target, but with a refused ratio, is not met."""
    figure = Figure("rate", "x", [1.0], ">= 1", True)
    assert Result("n", "c", [figure]).met
    assert not Result("n", "c", [figure], refused=["no ratio."]).met
    assert not Result("n", "c", [Figure("rate", "x", [1.0], ">= 2", False)]).met
