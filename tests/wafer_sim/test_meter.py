"""What late streams cost is measured apart from every other stall."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from wafer_sim.meter import LATE, UNATTRIBUTED, Meter, attribute

SECONDS = st.floats(0.0, 1e6)


def test_late_seconds_are_those_of_the_measured_steps() -> None:
    """Of the warm-up they are left out like the stall that they are part of."""
    meter = Meter(0.0, warm_up=1)
    meter.step(10.0, 1, 9.0, 8.0)
    meter.step(14.0, 1, 3.0, 2.0)
    meter.step(16.0, 1, 1.0)
    reading = meter.reading()
    assert (reading.seconds, reading.stall_seconds, reading.late_seconds) == (6.0, 4.0, 2.0)


def test_a_run_as_short_as_its_warm_up_counts_them_all() -> None:
    """It is measured whole."""
    meter = Meter(0.0, warm_up=2)
    meter.step(2.0, 1, 1.0, 0.5)
    assert meter.reading().late_seconds == 0.5


def test_late_streams_are_no_seams_fault() -> None:
    """Their part is taken from the stall before the rest is split in proportion."""
    assert attribute(5.0, {"prepare": 3.0, "wire": 1.0}, 1.0) == {LATE: 1.0, "prepare": 3.0, "wire": 1.0}
    assert attribute(5.0, {}, 1.0) == {LATE: 1.0, UNATTRIBUTED: 4.0}
    assert attribute(5.0, {"prepare": 1.0}, 9.0) == {LATE: 5.0}
    assert attribute(5.0, {"prepare": 1.0}) == {"prepare": 5.0}


@example(1.5, {"prepare": 5e-324}, 0.0)
@given(SECONDS, st.dictionaries(st.sampled_from(["prepare", "wire"]), SECONDS), SECONDS)
def test_the_parts_add_up_to_the_stall(stall: float, waits: dict[str, float], late: float) -> None:
    """Whatever was measured: nothing is counted twice and nothing goes missing."""
    parts = attribute(stall, waits, late)
    assert sum(parts.values()) == pytest.approx(stall)
    assert all(part >= 0.0 for part in parts.values())
