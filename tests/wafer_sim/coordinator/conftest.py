"""Run specs that a coordinator admits, and a coordinator to play with."""

from __future__ import annotations

import pytest

from wafer_sim.coordinator import events as ev
from wafer_sim.coordinator import instructions as do
from wafer_sim.coordinator.machine import Coordinator
from wire.elements import ElementSpec, Field
from wire.schema import spec_to_bytes
from wire.v1 import run_pb2

ELEMENT = spec_to_bytes(ElementSpec((Field("image", "float32", (4,)), Field("label", "int32"))))


def _spec(streams=4, replicas=1, session="", recipe="{}", model_dir="/tmp/model"):
    data = run_pb2.DataPlan(
        streams=streams, replicas=replicas, batch_size=12, element_spec=ELEMENT, recipe=recipe, epochs=1
    )
    return run_pb2.RunSpec(
        mode=run_pb2.MODE_TRAIN,
        fabric=run_pb2.FABRIC_COMPUTE,
        model_dir=model_dir,
        executable="a" * 64,
        data=data,
        session=session,
        max_steps=10,
    )


class Stage:
    """A coordinator on which tests play events; it keeps the time, the records and what everybody heard."""

    def __init__(self, limits=None):
        self.coordinator = Coordinator(limits)
        self.state = self.coordinator.state
        self.term = 1
        self.now = 0.0
        self.records = []
        self.incarnations = {}
        self.told = {}
        self.heard = {}
        self.log = []

    def play(self, event):
        return self.take(self.coordinator.handle(event))

    def crash(self):
        """The coordinator is gone, and the next one goes on from its records."""
        self.term += 1
        limits = self.coordinator.limits
        self.coordinator, out = Coordinator.restored(self.records, limits, self.term, self.now)
        self.state = self.coordinator.state
        self.incarnations, self.told = {}, {}
        return self.take(out)

    def take(self, out):
        for instruction in out:
            match instruction:
                case do.Record(record):
                    self.records.append(record)
                case do.Registered(worker_id, incarnation):
                    self.incarnations[worker_id] = incarnation
                case do.Tell(worker_id, assignment):
                    self.told[worker_id] = assignment
                case do.Publish(run_id, event_):
                    self.heard.setdefault(run_id, []).append(event_)
                case do.Note(text):
                    self.log.append(text)
        return out

    def join(self, worker_id, **options):
        return self.play(ev.WorkerRegistered(self.now, worker_id, f"host:{worker_id}", **options))

    def lose(self, worker_id):
        return self.play(ev.WorkerLost(self.now, worker_id, self.incarnations[worker_id]))

    def beat(self, worker_id, seams=()):
        return self.play(ev.WorkerBeat(self.now, worker_id, self.incarnations[worker_id], seams))

    def submit(self, run_id, spec):
        return self.play(ev.RunSubmitted(self.now, run_id, spec))

    def attach(self, run_id):
        return self.play(ev.WaferAttached(self.now, run_id, self.state.runs[run_id].incarnation, "localhost:1"))

    def say(self, run_id, **event):
        incarnation = self.state.runs[run_id].incarnation
        return self.play(ev.WaferSaid(self.now, run_id, incarnation, run_pb2.RunEvent(**event)))

    def die(self, run_id, code=0, lines=()):
        return self.play(ev.WaferDied(self.now, run_id, self.state.runs[run_id].incarnation, code, lines))

    def cancel(self, run_id):
        return self.play(ev.CancelAsked(self.now, run_id))

    def tick(self, seconds):
        self.now += seconds
        return self.play(ev.Tick(self.now))

    def elect(self, candidate, job="/tmp/model"):
        *_, elected = self.play(ev.ElectAsked(self.now, job, candidate))
        return elected.chief

    def lose_chief(self, session):
        return self.play(ev.ChiefLost(self.now, session))

    def streams(self, worker_id):
        return {lease.stream: lease.lease for lease in self.told[worker_id].streams}

    def notice(self, worker_id):
        return self.told[worker_id].notice


@pytest.fixture
def spec():
    """Makes a run's spec from the parts that matter to a test."""
    return _spec


@pytest.fixture
def stage():
    """A coordinator without workers and runs."""
    return Stage()


@pytest.fixture
def running(stage):
    """A coordinator with run "r" of four streams on an attached wafer, and no workers."""
    stage.submit("r", _spec())
    stage.attach("r")
    return stage
