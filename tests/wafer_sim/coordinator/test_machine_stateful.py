"""Any sequence of events leaves the coordinator sound."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from wafer_sim.coordinator import events as ev
from wafer_sim.coordinator import instructions as do
from wafer_sim.coordinator.machine import Coordinator
from wafer_sim.coordinator.state import RUNNING, Limits
from wire.errors import Fault
from wire.v1 import run_pb2

SESSIONS = st.sampled_from(["", "", "", "s1", "s2"])
# What ends a run is played less often than what keeps it going.
RARELY = st.sampled_from([False, False, False, False, True])


class Play(RuleBasedStateMachine):
    """Plays workers, clients, wafer processes and time against a coordinator."""

    @initialize()
    def begin(self):
        self.coordinator = Coordinator(Limits(ended_kept=3, progress_kept=2, workers=6, queued=4))
        self.state = self.coordinator.state
        self.now = 0.0
        self.made = 0
        self.incarnations = {}
        self.holders = {}
        self.highest = {}
        self.ended = {}
        self.started = set()
        self.numbers = {}

    def play(self, event):
        try:
            out = self.coordinator.handle(event)
        except Fault:
            return
        for instruction in out:
            self.check(instruction)

    def check(self, instruction):
        match instruction:
            case do.Registered(worker_id, incarnation):
                self.incarnations[worker_id] = incarnation
            case do.Tell(worker_id, assignment):
                assert worker_id in self.incarnations, "an instruction to an unknown worker"
                self.hold(worker_id, assignment)
            case do.Dismiss(worker_id, _):
                assert self.incarnations.pop(worker_id), "an unknown worker was dismissed"
                self.holders = {k: v for k, v in self.holders.items() if v[0] != worker_id}
            case do.StartWafer(run_id, incarnation):
                assert (run_id, incarnation) not in self.started
                assert run_id not in self.ended, "a finished run restarted"
                self.started.add((run_id, incarnation))
            case do.Publish(run_id, event):
                assert run_id not in self.ended, "an event after the last one"
                assert event.number == self.numbers.get(run_id, 0) + 1
                self.numbers[run_id] = event.number
                if event.WhichOneof("event") in ("finished", "failed"):
                    self.ended[run_id] = True

    def hold(self, worker_id, assignment):
        self.holders = {k: v for k, v in self.holders.items() if v[0] != worker_id}
        for stream in assignment.streams:
            key = (assignment.run_id, stream.stream)
            known = self.highest.get(key, (0, None))
            assert stream.lease > known[0] or known == (stream.lease, worker_id), "a lease did not rise with its host"
            self.highest[key] = (stream.lease, worker_id)
            self.holders[key] = (worker_id, stream.lease)

    def name(self, kind):
        self.made += 1
        return f"{kind}{self.made}"

    @rule(shard=st.sampled_from([None, None, None, 0, 1, 4]), session=SESSIONS, has_loader=st.booleans())
    def join(self, shard, session, has_loader):
        worker_id = self.name("w")
        self.play(ev.WorkerRegistered(self.now, worker_id, worker_id, shard, session, has_loader))

    @precondition(lambda self: self.incarnations)
    @rule(data=st.data(), stale=RARELY)
    def lose(self, data, stale):
        worker_id = data.draw(st.sampled_from(sorted(self.incarnations)))
        self.play(ev.WorkerLost(self.now, worker_id, self.incarnations[worker_id] - stale))

    @precondition(lambda self: self.incarnations)
    @rule(data=st.data())
    def beat(self, data):
        worker_id = data.draw(st.sampled_from(sorted(self.incarnations)))
        self.play(ev.WorkerBeat(self.now, worker_id, self.incarnations[worker_id], (run_pb2.Seam(name="wire"),)))

    @precondition(lambda self: self.incarnations and self.state.active)
    @rule(data=st.data(), stream=st.integers(0, 3), really=RARELY)
    def fail(self, data, stream, really):
        if not really:
            return
        worker_id = data.draw(st.sampled_from(sorted(self.incarnations)))
        problem = run_pb2.Problem(kind="Refused", what="no")
        event = ev.FailureReported(
            self.now, worker_id, self.incarnations[worker_id], self.state.active, stream, problem
        )
        self.play(event)

    @rule(streams=st.integers(1, 4), session=SESSIONS, recipe=st.sampled_from(["{}", "{}", ""]))
    def submit(self, streams, session, recipe):
        data = run_pb2.DataPlan(streams=streams, replicas=1, recipe=recipe)
        spec = run_pb2.RunSpec(data=data, session=session, model_dir="/m")
        self.play(ev.RunSubmitted(self.now, self.name("r"), spec))

    @precondition(lambda self: self.state.runs)
    @rule(data=st.data(), really=RARELY)
    def cancel(self, data, really):
        if really:
            self.play(ev.CancelAsked(self.now, data.draw(st.sampled_from(sorted(self.state.runs)))))

    @precondition(lambda self: self.state.active)
    @rule(stale=RARELY)
    def attach(self, stale):
        run = self.state.runs[self.state.active]
        self.play(ev.WaferAttached(self.now, run.run_id, run.incarnation - stale, "localhost:1"))

    @precondition(lambda self: self.state.active)
    @rule(kind=st.sampled_from(["phase", "progress", "saved", "phase", "progress", "saved", "finished", "failed"]))
    def say(self, kind):
        run = self.state.runs[self.state.active]
        words = {
            "phase": run_pb2.RunEvent(phase="running"),
            "progress": run_pb2.RunEvent(progress=run_pb2.Progress(step=1)),
            "saved": run_pb2.RunEvent(saved=run_pb2.Saved(step=1)),
            "finished": run_pb2.RunEvent(finished=run_pb2.Finished()),
            "failed": run_pb2.RunEvent(failed=run_pb2.Problem(what="no")),
        }
        self.play(ev.WaferSaid(self.now, run.run_id, run.incarnation, words[kind]))

    @precondition(lambda self: self.state.active)
    @rule(code=st.integers(-15, 3), detached=st.booleans(), really=RARELY)
    def die(self, code, detached, really):
        if not really and not self.state.runs[self.state.active].ended:
            return
        run = self.state.runs[self.state.active]
        if detached:
            self.play(ev.WaferDetached(self.now, run.run_id, run.incarnation))
        self.play(ev.WaferDied(self.now, run.run_id, run.incarnation, code))

    @rule(seconds=st.sampled_from([0.1] * 8 + [3.0, 130.0]))
    def tick(self, seconds):
        self.now += seconds
        self.play(ev.Tick(self.now))

    @rule(shut=st.integers(0, 20))
    def shut_down(self, shut):
        if shut == 0:
            self.play(ev.ShutDown(self.now))

    @invariant()
    def places_are_one_to_n(self):
        """The queue is numbered without gaps, and only while something is ahead of it."""
        runs = [self.state.runs[run_id] for run_id in self.state.queue]
        assert [run.place for run in runs] == list(range(1, len(runs) + 1))
        assert all(run.state == "queued" for run in runs)
        assert not runs or self.state.active is not None

    @invariant()
    def a_stream_has_one_holder(self):
        """What workers were told last agrees with the state: one holder per stream, with the current lease."""
        run = self.state.active_run
        hosts = run.hosts if run else {}
        told = {key[1]: holder for key, holder in self.holders.items()}
        assert told == {stream: (worker_id, run.leases[stream]) for stream, worker_id in hosts.items()}
        assert set(hosts.values()) <= set(self.state.workers)

    @invariant()
    def only_an_attached_run_is_hosted(self):
        """Streams have hosts only while their run is on the wafer; a run without a host is never hung in silence."""
        for run in self.state.runs.values():
            assert not run.hosts or (run.state == RUNNING and run.run_id == self.state.active)
            if run.state == RUNNING and len(run.hosts) < run.spec.data.streams:
                assert run.waiting

    @invariant()
    def an_ended_process_is_pressed(self):
        """An ended run still on the wafer has a time at which its process is ended."""
        run = self.state.runs[self.state.active] if self.state.active else None
        assert run is None or not run.ended or run.kill_at is not None


TestPlay = Play.TestCase
TestPlay.settings = settings(max_examples=100, stateful_step_count=60, deadline=None)
