"""The numbered events of one run."""

from wafer_sim.coordinator.history import History
from wire.v1 import run_pb2

RunEvent = run_pb2.RunEvent


def test_numbers_are_given_above_the_base():
    """Whatever number an event carried before."""
    history = History(kept=5, base=100)
    assert [history.add(RunEvent(phase="x", number=7)).number for _ in range(2)] == [101, 102]


def test_what_is_kept_is_bounded_but_for_what_lasts():
    """Of each kind the latest few; every checkpoint."""
    history = History(kept=2)
    for step in range(5):
        history.add(RunEvent(phase=str(step)))
        history.add(RunEvent(late=run_pb2.Late(stream=step)))
        history.add(RunEvent(saved=run_pb2.Saved(step=step)))
    kept = history.after(0)
    assert [e.phase for e in kept if e.HasField("phase")] == ["3", "4"]
    assert [e.late.stream for e in kept if e.HasField("late")] == [3, 4]
    assert [e.saved.step for e in history.lasting()] == [0, 1, 2, 3, 4]
    assert [e.number for e in kept] == sorted(e.number for e in kept)


def test_the_past_keeps_its_numbers():
    """What an earlier coordinator numbered comes first."""
    history = History(kept=2, base=100, past=[RunEvent(number=3, saved=run_pb2.Saved(step=1))])
    history.add(RunEvent(phase="x"))
    assert [e.number for e in history.after(0)] == [3, 101]
    assert [e.number for e in history.after(3)] == [101]
