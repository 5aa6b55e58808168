"""The bounded wait for a process that has to leave."""

from wafer_sim.coordinator import instructions as do
from wafer_sim.coordinator.leaving import Leaving


def test_signals_are_sent_once_each_in_their_time():
    """SIGTERM when patience ends, SIGKILL after the grace."""
    leaving = Leaving()
    assert not list(leaving.due("r", 1e9))
    leaving.expect(5.0, 2.0)
    assert leaving.awaited
    assert not list(leaving.due("r", 4.9))
    assert list(leaving.due("r", 5.0)) == [do.TerminateWafer("r")]
    assert not list(leaving.due("r", 6.9))
    assert list(leaving.due("r", 7.0)) == [do.KillWafer("r")]
    assert not list(leaving.due("r", 1e9))


def test_nothing_is_due_of_a_process_that_is_gone():
    """The next one begins without a deadline."""
    leaving = Leaving()
    leaving.expect(5.0, 2.0)
    leaving.over()
    assert not leaving.awaited
    assert not list(leaving.due("r", 10.0))
