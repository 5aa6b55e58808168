"""Any sequence of events, crashes of the coordinator among them, leaves the coordinator sound."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from wafer_sim.coordinator import events as ev
from wafer_sim.coordinator import instructions as do
from wafer_sim.coordinator import records
from wafer_sim.coordinator.assignment import eligible
from wafer_sim.coordinator.machine import Coordinator
from wafer_sim.coordinator.state import RUNNING, STARTING, Limits
from wire.errors import Fault
from wire.v1 import run_pb2

SESSIONS = st.sampled_from(["", "", "", "s1", "s2"])
# What ends a run is played less often than what keeps it going.
RARELY = st.sampled_from([False, False, False, False, True])
LIMITS = Limits(ended_kept=3, events_kept=2, workers=6, queued=4, deaths=3, chiefs=3)


def durable(coordinator):
    """What must outlive the coordinator, as it knows it."""
    runs = {
        run.run_id: records.KeptRun(
            run.run_id, run.spec, run.incarnation, run.cancelled, run.history.lasting(), run.former
        )
        for run in coordinator.state.runs.values()
    }
    return records.Kept(runs, coordinator.chiefs)


class Play(RuleBasedStateMachine):
    """Plays workers, chiefs, clients, wafer processes, time and the death of the coordinator itself."""

    @initialize(workers=st.integers(0, 3), streams=st.integers(1, 4))
    def begin(self, workers, streams):
        self.coordinator = Coordinator(LIMITS)
        self.state = self.coordinator.state
        self.term = 1
        self.now = 0.0
        self.made = 0
        self.records = []
        self.incarnations = {}
        self.holders = {}
        self.newest = 0
        self.wafer = None
        self.ended = set()
        self.numbers = {}
        for _ in range(workers):
            self.join(None, "", True, False)
        if workers:
            self.submit(streams, "", "{}", 0)
            self.attach(False)

    def play(self, event):
        try:
            out = self.coordinator.handle(event)
        except Fault:
            return
        self.take(out)

    def take(self, out):
        known = self.newest
        for instruction in out:
            self.check(instruction, known)

    def check(self, instruction, known):
        match instruction:
            case do.Record(record):
                self.records.append(record)
            case do.Registered(worker_id, incarnation):
                self.count(incarnation, known)
                self.incarnations[worker_id] = incarnation
            case do.Tell(worker_id, assignment):
                assert worker_id in self.incarnations, "an instruction to an unknown worker"
                self.hold(worker_id, assignment, known)
            case do.Dismiss(worker_id, _):
                assert self.incarnations.pop(worker_id), "an unknown worker was dismissed"
                self.holders = {k: v for k, v in self.holders.items() if v[0] != worker_id}
            case do.StartWafer(run_id, incarnation):
                self.count(incarnation, known)
                assert self.wafer is None, "two wafer processes at a time"
                assert run_id not in self.ended, "a finished run restarted"
                assert self.records[-1] == records.started(run_id, incarnation), "started before it was written down"
                self.wafer = (run_id, incarnation)
            case do.Publish(run_id, event):
                self.hear(run_id, event)

    def count(self, number, known):
        assert number > max(known, self.term << 32), "a number is not above all before"
        self.newest = max(self.newest, number)

    def hold(self, worker_id, assignment, known):
        former = {key: holder for key, holder in self.holders.items() if holder[0] == worker_id}
        self.holders = {key: holder for key, holder in self.holders.items() if holder[0] != worker_id}
        for stream in assignment.streams:
            key, holder = (assignment.run_id, stream.stream), (worker_id, stream.lease)
            if former.get(key) != holder:
                self.count(stream.lease, known)
            self.holders[key] = holder

    def hear(self, run_id, event):
        assert run_id not in self.ended, "an event after the last one"
        assert event.number > self.numbers.get(run_id, 0)
        self.numbers[run_id] = event.number
        if records.lasts(event):
            assert self.records[-1] == records.said(run_id, event), "said before it was written down"
        if event.WhichOneof("event") in ("finished", "failed"):
            self.ended.add(run_id)

    def name(self, kind):
        self.made += 1
        return f"{kind}{self.made}"

    # Workers

    @rule(shard=st.sampled_from([None, None, None, 0, 1, 4]), session=SESSIONS, loader=st.booleans(), again=RARELY)
    def join(self, shard, session, loader, again):
        worker_id = self.name("w")
        known = [worker.name for worker in self.state.workers.values()]
        name = known[-1] if again and known else worker_id
        self.play(ev.WorkerRegistered(self.now, worker_id, name, shard, session, loader))

    @precondition(lambda self: self.incarnations)
    @rule(data=st.data(), stale=RARELY, really=st.booleans())
    def lose(self, data, stale, really):
        if not really:
            return
        worker_id = data.draw(st.sampled_from(sorted(self.incarnations)))
        self.play(ev.WorkerLost(self.now, worker_id, self.incarnations[worker_id] - stale))

    @precondition(lambda self: self.incarnations)
    @rule(data=st.data())
    def beat(self, data):
        worker_id = data.draw(st.sampled_from(sorted(self.incarnations)))
        self.play(ev.WorkerBeat(self.now, worker_id, self.incarnations[worker_id], (run_pb2.Seam(name="wire"),)))

    @rule(seconds=st.sampled_from([0.5, 2.0, 5.5]))
    def beats(self, seconds):
        for _ in range(int(seconds / 0.5)):
            self.tick(0.5)
            for worker_id, incarnation in list(self.incarnations.items()):
                self.play(ev.WorkerBeat(self.now, worker_id, incarnation))

    @precondition(lambda self: self.incarnations and self.state.active)
    @rule(data=st.data(), stream=st.integers(0, 3), really=RARELY)
    def fail(self, data, stream, really):
        if not really:
            return
        worker_id = data.draw(st.sampled_from(sorted(self.incarnations)))
        incarnation, problem = self.incarnations[worker_id], run_pb2.Problem(kind="Refused", what="no")
        self.play(ev.FailureReported(self.now, worker_id, incarnation, self.state.active, stream, problem))

    # Runs and chiefs

    @rule(streams=st.integers(1, 4), session=SESSIONS, recipe=st.sampled_from(["{}", "{}", ""]), job=st.integers(0, 3))
    def submit(self, streams, session, recipe, job):
        data = run_pb2.DataPlan(streams=streams, replicas=1, recipe=recipe)
        spec = run_pb2.RunSpec(data=data, session=session, model_dir=f"/m{job}")
        self.play(ev.RunSubmitted(self.now, self.name("r"), spec))

    @precondition(lambda self: self.state.runs)
    @rule(data=st.data(), session=SESSIONS)
    def submit_again(self, data, session):
        run = self.state.runs[data.draw(st.sampled_from(sorted(self.state.runs)))]
        spec = run_pb2.RunSpec()
        spec.CopyFrom(run.spec)
        spec.session = session
        self.play(ev.RunSubmitted(self.now, self.name("r"), spec))

    @precondition(lambda self: self.state.runs)
    @rule(data=st.data(), really=RARELY)
    def cancel(self, data, really):
        if really:
            self.play(ev.CancelAsked(self.now, data.draw(st.sampled_from(sorted(self.state.runs)))))

    @rule(job=st.integers(0, 3), session=st.sampled_from(["s1", "s2"]), word=st.sampled_from("eeeflr"))
    def lead(self, job, session, word):
        events = {
            "e": ev.ElectAsked(self.now, f"/m{job}", session),
            "f": ev.ChiefFollows(self.now, session),
            "l": ev.ChiefLost(self.now, session),
            "r": ev.Resigned(self.now, f"/m{job}", session),
        }
        self.play(events[word])

    # Wafer processes

    @precondition(lambda self: self.wafer)
    @rule(stale=RARELY)
    def attach(self, stale):
        run_id, incarnation = self.wafer
        self.play(ev.WaferAttached(self.now, run_id, incarnation - stale, "localhost:1"))

    @precondition(lambda self: self.wafer)
    @rule(
        kind=st.sampled_from(["phase", "progress", "saved", "passed", "observed"] * 3 + ["finished", "failed"]),
        n=st.integers(1, 9),
    )
    def say(self, kind, n):
        words = {
            "phase": run_pb2.RunEvent(phase="running"),
            "progress": run_pb2.RunEvent(progress=run_pb2.Progress(step=n)),
            "saved": run_pb2.RunEvent(saved=run_pb2.Saved(step=n, path=f"/checkpoint_{n}")),
            "passed": run_pb2.RunEvent(passed=run_pb2.Passed(step=n)),
            "observed": run_pb2.RunEvent(observed=run_pb2.Observed(step=n)),
            "finished": run_pb2.RunEvent(finished=run_pb2.Finished()),
            "failed": run_pb2.RunEvent(failed=run_pb2.Problem(what="no")),
        }
        self.play(ev.WaferSaid(self.now, *self.wafer, words[kind]))

    @precondition(lambda self: self.state.hosted_run)
    @rule(stream=st.sampled_from([0, 0, 1, 2, 5]), named=st.booleans())
    def be_late(self, stream, named):
        holding = self.state.hosted_run.hosts.get(stream)
        worker = self.state.workers[holding.worker_id].name if holding and named else ""
        late = run_pb2.Late(stream=stream, worker=worker, seconds=1.0)
        self.play(ev.WaferSaid(self.now, *self.wafer, run_pb2.RunEvent(late=late)))

    @precondition(lambda self: self.wafer)
    @rule(code=st.integers(-15, 3), detached=st.booleans(), really=st.booleans())
    def die(self, code, detached, really):
        if not (really or self.state.runs[self.wafer[0]].ended):
            return
        (run_id, incarnation), self.wafer = self.wafer, None
        if detached:
            self.play(ev.WaferDetached(self.now, run_id, incarnation))
        self.play(ev.WaferDied(self.now, run_id, incarnation, code))

    # The coordinator

    @rule(seconds=st.sampled_from([0.1] * 10 + [1.0, 3.0, 130.0]))
    def tick(self, seconds):
        self.now += seconds
        self.play(ev.Tick(self.now))

    @rule(shut=st.integers(0, 50))
    def shut_down(self, shut):
        if shut == 0:
            self.play(ev.ShutDown(self.now))

    @rule(really=RARELY)
    def crash(self, really):
        """The next coordinator knows every run, where it stands, whose it is and in which order they wait."""
        if not really:
            return
        before, active = durable(self.coordinator), self.state.active_run
        goes_on = active is not None and not active.cancelled
        waiting = ([active.run_id] if goes_on else []) + self.state.queue
        self.term += 1
        self.incarnations, self.holders, self.wafer = {}, {}, None
        self.coordinator, out = Coordinator.restored(self.records, LIMITS, self.term, self.now)
        self.state = self.coordinator.state
        self.take(out)
        after = durable(self.coordinator)
        assert [self.state.active] * (self.state.active is not None) + self.state.queue == waiting
        for run_id, run in after.runs.items():
            former = before.runs[run_id]
            assert (run.spec, run.cancelled, run.former) == (former.spec, former.cancelled, former.former)
            assert run.saved == former.saved
            stopped = former.cancelled and former.last_word is None
            assert run.events[: len(former.events)] == former.events
            assert len(run.events) == len(former.events) + stopped
        assert after.chiefs.items() <= before.chiefs.items()

    # What always holds

    @invariant()
    def records_are_the_durable_state(self):
        """What was written down adds up to what the coordinator knows."""
        assert records.fold(self.records) == durable(self.coordinator)

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
        assert len(told) == len(self.holders)
        assert told == {stream: (held.worker_id, held.lease) for stream, held in hosts.items()}
        for worker in self.state.workers.values():
            mine = [(s, held.lease) for s, held in sorted(hosts.items()) if held.worker_id == worker.worker_id]
            assert list(worker.streams) == mine

    @invariant()
    def a_stream_is_hosted_by_who_can(self):
        """Every stream of a run on the wafer has a host if a worker can take it, and no late one if another can."""
        for run in self.state.runs.values():
            assert not run.hosts or run is self.state.hosted_run
        run = self.state.hosted_run
        if run is None:
            return
        fit = [w for w in self.state.workers.values() if eligible(w.session, w.has_loader, run.spec)]
        for stream in range(run.spec.data.streams):
            able = [w for w in fit if w.shard in (None, stream)]
            assert (stream in run.hosts) == bool(able)
            if able and any(not w.late for w in able):
                assert stream not in self.state.workers[run.hosts[stream].worker_id].late
        assert len(run.hosts) == run.spec.data.streams or run.waiting

    @invariant()
    def a_run_can_go_on(self):
        """It waits in the queue, has the wafer with a process that lives or has to speak in time, or has ended."""
        for run in self.state.runs.values():
            assert run.ended == (run.run_id in self.ended)
            if run.ended or run.run_id in self.state.queue:
                continue
            assert (run.run_id, run.incarnation) == self.wafer
            assert run.state == RUNNING or (
                run.state == STARTING and (run.attach_by is not None or run.leaving.awaited)
            )
        active = self.state.runs[self.state.active] if self.state.active else None
        assert active is None or not active.ended or active.leaving.kill_at is not None

    def teardown(self):
        """Whatever happened, every run comes to its end when its wafer processes do what they should."""
        while self.wafer:
            run_id, incarnation = self.wafer
            self.play(ev.WaferAttached(self.now, run_id, incarnation, "localhost:1"))
            finished = run_pb2.RunEvent(finished=run_pb2.Finished())
            self.play(ev.WaferSaid(self.now, run_id, incarnation, finished))
            self.wafer = None
            self.play(ev.WaferDied(self.now, run_id, incarnation, 0))
        assert all(run.ended for run in self.state.runs.values())


TestPlay = Play.TestCase
TestPlay.settings = settings(max_examples=120, stateful_step_count=60, deadline=None)
