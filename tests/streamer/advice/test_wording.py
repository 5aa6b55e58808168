"""How advice is worded."""

from __future__ import annotations

from streamer.advice import Remark, Review
from streamer.advice.wording import lines_of


def test_nothing_to_say_is_one_line() -> None:
    """The user sees that the input was looked at."""
    assert list(lines_of(Review("input_fn", ()))) == [
        "Suggestions to improve input_fn performance: none, it is in good order"
    ]


def test_a_remark_is_a_paragraph_under_csofts_heading() -> None:
    """Line, why, what instead; a gain only where it is known."""
    heading, bare, full = lines_of(
        Review("input_fn", (Remark("d.py:3", "x", "y", "z"), Remark("k", "x", "y", "z", "9")))
    )
    assert heading == "Suggestions to improve input_fn performance:"
    assert bare.splitlines() == ["  d.py:3: x", "      Why: y", "      Instead: z"]
    assert full.splitlines()[-1] == "      Gain: 9"
