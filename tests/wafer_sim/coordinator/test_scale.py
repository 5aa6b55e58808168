"""A thousand workers and thousands of streams: what an event costs does not grow out of hand."""

import time

from wafer_sim.coordinator import events as ev
from wafer_sim.coordinator import instructions as do

WORKERS, STREAMS = 1000, 4000


def test_a_join_and_a_death_are_handled_in_time(stage, spec):
    """A change of the assignment takes well under 50 ms, tells only whom it concerns, and moves only a fair share."""
    for number in range(WORKERS):
        stage.join(f"w{number}")
    stage.submit("r", spec(streams=STREAMS))
    stage.attach("r")
    spent, told = [], []
    for number in range(5):
        for act in (stage.join, stage.lose):
            began = time.thread_time()
            out = act(f"n{number}")
            spent.append(time.thread_time() - began)
            told.append(len([i for i in out if isinstance(i, do.Tell)]))
    assert sorted(spent)[len(spent) // 2] < 0.05
    assert max(told) <= 5
    assert all(len(worker.streams) == 4 for worker in stage.state.workers.values())


def test_a_heartbeat_costs_the_same_with_many_workers(stage, spec):
    """It looks at its own worker only: a thousand of them take less than what one assignment may."""
    for number in range(WORKERS):
        stage.join(f"w{number}")
    stage.submit("r", spec(streams=STREAMS))
    stage.attach("r")
    beats = [ev.WorkerBeat(0.1, f"w{n}", stage.incarnations[f"w{n}"], ()) for n in range(WORKERS)]
    began = time.thread_time()
    for beat in beats:
        stage.coordinator.handle(beat)
    assert time.thread_time() - began < 0.2
