"""How the rate of a run went."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from wafer_sim.meter import Meter
from wafer_sim.timeline import Interval, Timeline


@given(st.lists(st.tuples(st.integers(1, 9), st.integers(0, 50), st.integers(0, 9)), max_size=70), st.integers(2, 9))
def test_few_intervals_tell_all_of_it(steps: list[tuple[int, int, int]], most: int) -> None:
    """However many marks there were: fewer intervals than the most, in order, with all samples and all stall."""
    timeline, now, samples, stall = Timeline(100.0, most), 100, 0, 0
    for seconds, more, waited in steps:
        now, samples, stall = now + seconds, samples + more, stall + waited
        timeline.mark(now, samples, stall)
    found = timeline.intervals()
    assert len(found) < most
    assert (sum(each.samples for each in found), sum(each.stall for each in found)) == (samples, stall)
    ends = [each.seconds for each in found]
    assert ends == sorted(set(ends))
    assert not steps or ends[-1] == now - 100


def test_intervals_grow_together() -> None:
    """After the first joining each interval has two marks, so that none is far longer than another."""
    timeline = Timeline(0.0, most=4)
    for mark in range(1, 8):
        timeline.mark(mark, 10 * mark, 0.0)
    assert timeline.intervals() == [Interval(4, 40, 0.0), Interval(7, 30, 0.0)]


def test_a_meter_tells_its_laps() -> None:
    """From lap to lap, and from the last one to the end of the last step; nothing new is no interval."""
    meter = Meter(10.0)
    meter.step(11.0, 5, 0.25)
    meter.lap()
    meter.step(13.0, 7, 0.5)
    assert meter.intervals() == [Interval(1.0, 5, 0.25), Interval(3.0, 7, 0.5)]
    assert len(meter.intervals()) == 2
