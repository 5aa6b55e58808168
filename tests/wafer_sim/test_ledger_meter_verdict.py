"""How fast samples were consumed, and whether the input kept up."""

from __future__ import annotations

import pytest

from wafer_sim.meter import Meter, attribute
from wafer_sim.verdict import judge


def test_a_meter_leaves_the_first_steps_out() -> None:
    """Rate and utilisation are of the steps after the warm-up only."""
    meter = Meter(0.0, warm_up=2)
    meter.step(10.0, 100, 9.0)
    meter.step(20.0, 100, 9.0)
    meter.step(21.0, 100, 0.25)
    meter.step(22.0, 100, 0.25)
    reading = meter.reading()
    assert (reading.samples, reading.seconds, reading.stall_seconds) == (400, 2.0, 0.5)
    assert reading.rate == 100.0
    assert reading.utilisation == 0.75


def test_a_checkpoint_counts_neither_as_work_nor_as_stall() -> None:
    """Paused time is taken out of the measured seconds, from the next step on; a pause after the last one is none."""
    meter = Meter(0.0, warm_up=1)
    meter.step(1.0, 10, 0.0)
    meter.pause(2.0)
    meter.step(4.0, 10, 0.5)
    meter.pause(5.0)
    assert meter.reading().seconds == 1.0
    assert meter.reading().utilisation == 0.5


def test_a_run_shorter_than_the_warm_up_is_measured_whole() -> None:
    """Three steps with a warm-up of ten still have a rate."""
    meter = Meter(0.0)
    for i in range(3):
        meter.step(i + 1.0, 10, 0.0)
    assert meter.reading().rate == 10.0


def test_a_run_of_the_warm_up_exactly_is_measured_whole() -> None:
    """Ten steps with a warm-up of ten have a rate and a utilisation; the eleventh begins the measurement."""
    meter = Meter(0.0, warm_up=10)
    for i in range(10):
        meter.step(i + 1.0, 10, 0.1)
    reading = meter.reading()
    assert (reading.rate, reading.seconds) == (10.0, 10.0)
    assert reading.utilisation == pytest.approx(0.9)
    meter.pause(3.0)
    meter.step(15.0, 10, 0.0)
    assert (meter.reading().seconds, meter.reading().rate, meter.reading().utilisation) == (2.0, 5.0, 1.0)


def test_the_recent_rate_is_that_of_the_last_interval() -> None:
    """A lap measures from the lap before."""
    meter = Meter(0.0)
    meter.step(1.0, 10, 0.0)
    meter.lap()
    meter.step(2.0, 30, 0.0)
    meter.lap()
    assert meter.reading().recent_rate == 30.0


def test_a_stall_is_split_over_the_seams_that_waited() -> None:
    """Each seam gets its share in proportion; without any record the stall stays unattributed; none is no stall."""
    assert attribute(4.0, {"prepare": 3.0, "wire": 1.0}) == {"prepare": 3.0, "wire": 1.0}
    assert attribute(4.0, {"prepare": 0.0}) == {"unattributed": 4.0}
    assert attribute(0.0, {"prepare": 3.0}) == {}


def test_the_verdict_passes_at_ninety_percent() -> None:
    """MLPerf Storage's threshold decides."""
    assert judge(0.90, {"prepare": 1.0}, 2).keeps_up
    assert judge(0.90, {}, 2).sentence == "the input keeps up"
    assert not judge(0.899, {}, 2).keeps_up


def test_a_failed_verdict_names_the_seam_and_the_workers_that_would_do() -> None:
    """Two workers at half the wanted rate: four would be enough, and the worst seam is to blame."""
    verdict = judge(0.5, {"prepare": 3.0, "wire": 1.0}, 2)
    assert (verdict.blame, verdict.workers) == ("prepare", 4)
    assert "50% of the time" in verdict.sentence
    assert "about 4 workers" in verdict.sentence
