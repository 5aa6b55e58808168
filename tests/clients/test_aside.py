"""When local workers leave the wafer's processors alone."""

from __future__ import annotations

import pytest

from clients.aside import Aside


def heard(*readings: tuple[float, float]) -> list[bool]:
    """Where the workers stand after each reading of (seconds, stall)."""
    aside = Aside()
    places = []
    for reading in readings:
        before = aside.aside
        assert aside.hear(*reading) == (aside.aside != before)
        places.append(aside.aside)
    return places


@pytest.mark.parametrize(
    ("readings", "places"),
    [
        ([(0, 0)], [False]),
        ([(1, 0.5), (2, 1.0)], [False, False]),
        ([(1, 0.5), (2, 0.51)], [False, True]),
        ([(1, 0.0), (2, 0.05)], [True, True]),
        ([(1, 0.0), (2, 0.5), (3, 0.5)], [True, False, False]),
        ([(1, 0.0), (1, 0.0)], [True, True]),
        ([(60, 0.0), (1, 0.0), (2, 0.9)], [True, True, False]),
    ],
)
def test_workers_step_aside_while_the_input_keeps_up(readings: list[tuple[float, float]], places: list[bool]) -> None:
    """Aside from the first interval without a stall on; back for good when one has a stall; no time, no change.

    A wafer process that was started again counts from zero.
    """
    assert heard(*readings) == places
