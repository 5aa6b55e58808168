"""The hub and its journal: nothing is done before it is written down, and nothing is believed that could not be."""

import pytest

from wafer_sim.coordinator import instructions as do
from wafer_sim.coordinator.state import Limits
from wafer_sim.service.hub import Hub
from wire.errors import Exhausted
from wire.v1 import run_pb2


class Records:
    """A journal in memory that may be full; `log` is what was written and done, in order."""

    def __init__(self, past=()):
        self.records, self.full, self.log = list(past), False, []

    def begin(self):
        return 8 if self.records else 7, list(self.records)

    def append(self, records):
        if self.full:
            raise Exhausted("the disk is full", where="coordinator.db", fix="make room")
        self.records += records
        self.log += [record.WhichOneof("record") for record in records]


class Wafers:
    """Notes which wafer processes are started, terminated and killed."""

    def __init__(self, log):
        self.log, self.started = log, []

    def start(self, run_id, incarnation, died):
        self.started.append((run_id, incarnation, died))
        self.log.append("start the wafer process")

    def terminate(self, run_id):
        self.log.append("terminate")

    def kill(self, run_id):
        self.log.append("kill")

    def wait(self, seconds):
        return True


class Stage:
    """A hub over a journal and wafers that the test sees."""

    def __init__(self, past=()):
        self.records = Records(past)
        self.wafers = Wafers(self.records.log)
        self.broken = []
        self.hub = Hub(self.wafers, self.records, Limits(), on_broken=lambda: self.broken.append(True))
        self.hub.start()

    def attach(self):
        run_id, incarnation, _ = self.wafers.started[-1]
        self.hub.attach(run_pb2.Attached(run_id=run_id, incarnation=incarnation, ingest_address="localhost:1"))
        return run_id, incarnation

    def submit(self, model_dir="/m", session="s"):
        spec = run_pb2.RunSpec(model_dir=model_dir, session=session)
        spec.data.streams = spec.data.replicas = 1
        return self.hub.submit(spec)

    def states(self):
        return {run.run_id: run.state for run in self.hub.status().runs}


@pytest.fixture
def stage():
    made = []

    def make(past=()):
        made.append(Stage(past))
        return made[-1]

    yield make
    for each in made:
        each.records.full = False
        each.hub.shut_down()


def test_facts_are_written_before_anything_is_done(stage):
    """The submission and the start of its wafer process are in the journal when the process is started."""
    on = stage()
    submitted = on.submit()
    assert isinstance(submitted, do.Submitted)
    assert not submitted.attached
    assert on.records.log == ["submitted", "started", "start the wafer process"]


def test_what_was_asked_for_is_refused_where_the_journal_is_full(stage):
    """Nothing has changed then, nothing was done, and once there is room everything goes on."""
    on = stage()
    first = on.submit("/a").run_id
    on.records.full = True
    for ask in (lambda: on.submit("/b"), lambda: on.hub.cancel(first), lambda: on.hub.elect("/c", "s")):
        with pytest.raises(Exhausted, match="full"):
            ask()
    assert on.states() == {first: "starting"}
    assert on.records.log[-1] == "start the wafer process"
    on.records.full = False
    assert on.hub.elect("/c", "t") == "t"
    second = on.submit("/b").run_id
    assert on.states() == {first: "starting", second: "queued"}
    assert not on.broken


def test_what_has_happened_breaks_the_hub_where_the_journal_is_full(stage):
    """A checkpoint cannot be refused: nobody is told of it, nothing is answered any more, the wafer is to leave."""
    on = stage()
    run_id = on.submit().run_id
    _, incarnation = on.attach()
    events = iter(on.hub.follow(run_id, 0))
    on.records.full = True
    with pytest.raises(Exhausted, match="the coordinator ended"):
        on.hub.said(run_id, incarnation, run_pb2.RunEvent(saved=run_pb2.Saved(step=5, path="/m/5")))
    assert on.broken == [True]
    on.records.full = False
    for ask in (on.submit, lambda: on.hub.cancel(run_id)):
        with pytest.raises(Exhausted, match="the coordinator ended: the disk is full") as caught:
            ask()
    assert "start `wafer_sim serve` again" in caught.value.fix
    written = list(on.records.records)
    on.hub.detached(run_id, incarnation)
    on.wafers.started[-1][2](run_id, incarnation, 0, ())
    on.hub.shut_down()
    assert on.records.log[-1] == "terminate"
    assert on.records.records == written
    said = []
    with pytest.raises(Exception, match="the coordinator ended") as ended:
        said.extend(events)
    assert type(ended.value).__name__ == "Unreachable"
    assert not [event for event in said if event.HasField("saved")]


def test_the_next_hub_goes_on_with_what_was_written(stage):
    """Its first deed is to start the run that had the wafer, under a number that was never given before."""
    before = stage()
    run_id = before.submit().run_id
    queued = before.submit("/other").run_id
    after = stage(before.records.records)
    assert after.states() == {run_id: "starting", queued: "queued"}
    (again,) = after.wafers.started
    assert again[0] == run_id
    assert again[1] > before.wafers.started[0][1]
    assert after.records.log[-2:] == ["started", "start the wafer process"]


def test_the_line_of_a_wafer_process_that_died_is_not_the_line_of_the_next(stage):
    """The late end of an old line lets nobody believe that the new one has ended."""
    on = stage()
    run_id = on.submit().run_id
    _, first = on.attach()
    on.wafers.started[-1][2](run_id, first, -9, ())
    _, second = on.attach()
    assert second > first
    on.hub.detached(run_id, first)
    assert list(on.hub._lines) == [(run_id, second)]
    assert not on.hub._lines[run_id, second].is_set()
    assert on.states() == {run_id: "running"}
