"""The runs: queue, wafer process, end. One of the coordinator's two hands."""

from __future__ import annotations

from wafer_sim.coordinator import adoption, fallen, problems, records, wafers
from wafer_sim.coordinator import events as ev
from wafer_sim.coordinator import instructions as do
from wafer_sim.coordinator.chiefs import Chiefs
from wafer_sim.coordinator.crew import Crew
from wafer_sim.coordinator.desk import Desk
from wafer_sim.coordinator.state import FAILED, FINISHED, RUNNING, STARTING, RunState
from wafer_sim.coordinator.view import seams_of
from wire.errors import Exhausted, InvalidInput, Refused
from wire.status import problem_of
from wire.v1 import run_pb2

RunEvent = run_pb2.RunEvent


class Runs:
    """Changes the runs of the desk's state. Every method that a stale or unknown run reaches raises a Fault."""

    def __init__(self, desk: Desk, crew: Crew, chiefs: Chiefs) -> None:
        self._desk = desk
        self._state = desk.state
        self._limits = desk.limits
        self._crew = crew
        self._chiefs = chiefs

    def submit(self, event: ev.RunSubmitted) -> None:
        """A new run, or the live one of its model_dir under a new chief. Raises Stopped, Refused, Exhausted."""
        if self._state.closing:
            raise problems.shutting_down()
        live = adoption.live_run(self._state, event.spec.model_dir)
        if live is not None:
            self._adopt(live, event)
            return
        if len(self._state.queue) >= self._limits.queued:
            raise Exhausted(f"{self._limits.queued} runs are queued; that is the most this coordinator takes")
        run = RunState(event.run_id, event.spec, self._desk.history())
        self._state.runs[run.run_id] = run
        self._state.queue.append(run.run_id)
        self._desk.record(records.submitted(run.run_id, run.spec))
        self._desk.out.append(do.Submitted(run.run_id, attached=False))
        for gone in fallen.take(self._state, run.spec.session):
            self._desk.publish(run, RunEvent(gone=gone))
        self._chiefs.heard(run.chief, event.now)
        self._desk.note(f"run {run.run_id} submitted: {run.spec.data.streams} streams, {run.spec.model_dir}")

    def _adopt(self, run: RunState, event: ev.RunSubmitted) -> None:
        if fields := adoption.differences(run.spec, event.spec):
            raise problems.another_spec(run, fields)
        former, session, chief = run.spec.session, event.spec.session, event.spec.chief
        if (former, run.chief) != (session, chief or session):
            if self._chiefs.holds(run.spec.model_dir, run.chief, event.now):
                raise problems.another_chief(run)
            run.former = (run.former | {former}) - {session}
            run.spec = adoption.with_session(run.spec, session, chief)
            self._desk.record(records.adopted(run.run_id, session, chief))
            self._desk.note(f"run {run.run_id} has a new chief: {run.chief}")
        self._desk.out.append(do.Submitted(run.run_id, attached=True))
        self._chiefs.heard(run.chief, event.now)
        self._crew.rehost(event.now)

    def revive(self, kept: records.KeptRun, now: float) -> None:
        """A run as the coordinator before this one knew it."""
        run = RunState(kept.run_id, kept.spec, self._desk.history(kept.events), former=kept.former, saved=kept.saved)
        run.incarnation, run.cancelled = kept.incarnation, kept.cancelled
        self._state.runs[run.run_id] = run
        if kept.last_word is not None:
            self._take_last_word(run, kept.last_word)
            return
        self._state.queue.append(run.run_id)
        if run.cancelled:
            self._end_stopped(run, now)

    def cancel(self, event: ev.CancelAsked) -> None:
        """Nothing, where the run has ended or is to stop already. Raises NotFound."""
        run = self._desk.run(event.run_id)
        if not run.ended and not run.cancelled:
            self._desk.note(f"run {run.run_id} is to stop")
            self._stop(run, event.now, self._limits.stop_seconds, self._limits.grace_seconds)

    def _stop(self, run: RunState, now: float, patience: float, grace: float) -> None:
        if not run.cancelled:
            run.cancelled = True
            self._desk.record(records.cancelled(run.run_id))
        if run.run_id in self._state.queue:
            self._end_stopped(run, now)
        elif run.state == RUNNING:
            self._desk.out.append(do.StopWafer(run.run_id))
            run.leaving.expect(now + patience, grace)
        else:
            run.leaving.expect(now, grace)
            self._press(run, now)

    def _end_stopped(self, run: RunState, now: float) -> None:
        self.end(run, RunEvent(finished=run_pb2.Finished(progress=run.progress, stopped=True)), now)

    def end(self, run: RunState, event: RunEvent, now: float) -> None:
        """Its end: the last event, nothing hosted, and a wafer process that has to leave."""
        run.seams = seams_of(run, self._state)
        self._take_last_word(run, event)
        run.place, run.attach_by = 0, None
        self._desk.publish(run, event)
        self._chiefs.run_over(run.chief)
        self._desk.note(f"run {run.run_id} {run.state}" + (f": {run.problem.what}" if run.problem else ""))
        if run.run_id in self._state.queue:
            self._state.queue.remove(run.run_id)
            return
        self._crew.unhost(run)
        self._crew.forgive()
        if run.run_id == self._state.active and not run.leaving.awaited:
            run.leaving.expect(now + self._limits.leave_seconds, self._limits.grace_seconds)

    def release_chief(self, job: str, candidate: str) -> None:
        """Nothing, unless the candidate is chief of the job."""
        if self._chiefs.resign(job, candidate):
            self._desk.record(records.resigned(job, candidate))

    def _take_last_word(self, run: RunState, event: RunEvent) -> None:
        run.seams = tuple(event.finished.seams) or run.seams
        run.state = FINISHED if event.HasField("finished") else FAILED
        if event.HasField("failed"):
            run.problem = event.failed
        if event.finished.HasField("progress"):
            run.progress = event.finished.progress

    # The wafer process

    def _start_wafer(self, run: RunState, now: float, phase: str) -> None:
        run.state, run.fate, run.incarnation = STARTING, "", self._desk.number()
        run.attach_by = now + self._limits.attach_seconds
        self._desk.record(records.started(run.run_id, run.incarnation))
        self._desk.out.append(do.StartWafer(run.run_id, run.incarnation))
        self._desk.say_phase(run, phase)
        self._desk.note(f"run {run.run_id}: {phase}")

    def attach(self, event: ev.WaferAttached) -> None:
        """A wafer process is told what to do. Raises Refused where it is stale or not awaited, InvalidInput."""
        run = self._desk.of_wafer(event.run_id, event.incarnation)
        if run.ended or run.cancelled or run.fate or run.state != STARTING:
            raise Refused(f"run {run.run_id} awaits no wafer process; it is {run.state}")
        if not event.ingest_address:
            raise InvalidInput("a wafer process attached without an ingest address")
        run.state, run.ingest_address, run.attach_by = RUNNING, event.ingest_address, None
        self._desk.out.append(do.OrderStart(run.run_id, run.spec))
        self._desk.note(f"run {run.run_id}: the wafer process takes batches at {run.ingest_address}")
        self._crew.rehost(event.now)

    def hear(self, event: ev.WaferSaid) -> bool:
        """A wafer process's word. Whether workers or other runs have something else to do for it."""
        run = self._desk.of_wafer(event.run_id, event.incarnation)
        if run.ended:
            return False
        said = event.event
        match said.WhichOneof("event"):
            case "finished" | "failed":
                self.end(run, said, event.now)
                return True
            case "phase":
                self._desk.say_phase(run, said.phase)
            case "progress" | "saved":
                self._get_further(run, said)
            case "passed" | "observed":
                self._desk.publish(run, said)
            case "late":
                self._desk.publish(run, said)
                return self._crew.replace_late(run, said.late, event.now)
            case other:
                raise InvalidInput(f"a wafer process does not say {other or 'nothing'!r}")
        return False

    def _get_further(self, run: RunState, said: RunEvent) -> None:
        if wafers.gains(run, said):
            run.deaths = 0
        if said.HasField("saved"):
            run.saved = said.saved
        else:
            run.progress, run.furthest = said.progress, max(run.furthest, said.progress.step)
        self._desk.publish(run, said)

    def detach(self, event: ev.WaferDetached) -> None:
        """Its exit tells more, so that is waited for; a process that lives on without a line is of no use."""
        run = self._state.runs.get(event.run_id)
        mine = run is not None and event.run_id == self._state.active and event.incarnation == run.incarnation
        if run is not None and mine and not run.leaving.awaited:
            run.leaving.expect(event.now + self._limits.grace_seconds, self._limits.grace_seconds)

    def wafer_died(self, event: ev.WaferDied) -> None:
        """The run's next wafer process, unless the run has ended, has to end, or has lost too many."""
        run = self._desk.of_wafer(event.run_id, event.incarnation)
        run.leaving.over()
        how = run.fate or wafers.how_it_ended(event.exit_code)
        run.deaths += 1
        if not (run.ended or run.cancelled or self._state.closing) and run.deaths < self._limits.deaths:
            self._crew.unhost(run)
            self._start_wafer(run, event.now, wafers.restart_phase(run, how))
        else:
            self._state.active = None
            self._end_dead(run, how, event)

    def _end_dead(self, run: RunState, how: str, event: ev.WaferDied) -> None:
        if run.ended:
            return
        if run.cancelled and run.state == STARTING:
            self._end_stopped(run, event.now)
        elif run.cancelled:
            self.end(run, RunEvent(failed=problems.died_cancelled(how)), event.now)
        else:
            self.end(run, RunEvent(failed=problems.died_too_often(run, how, event.last_lines)), event.now)

    def give_wafer(self, run: RunState, now: float) -> None:
        """The run at the head of the queue has its turn."""
        self._state.active, run.place = run.run_id, 0
        self._start_wafer(run, now, wafers.turn_phase(run))

    def watch_wafer(self, now: float) -> None:
        """What is due, of a wafer process that has to speak or to leave."""
        run = self._state.runs[self._state.active] if self._state.active is not None else None
        if run is None:
            return
        if run.attach_by is not None and now >= run.attach_by:
            run.fate, run.attach_by = problems.never_attached(self._limits.attach_seconds), None
            run.leaving.expect(now, self._limits.grace_seconds)
        self._press(run, now)

    def close(self, now: float) -> None:
        """Nothing starts any more; what is queued fails, what runs stops."""
        self._state.closing = True
        for run_id in list(self._state.queue):
            self.end(self._state.runs[run_id], RunEvent(failed=problem_of(problems.shutting_down())), now)
        if self._state.active is None:
            return
        patience, grace = self._limits.shutdown_seconds, self._limits.shutdown_grace_seconds
        run = self._state.runs[self._state.active]
        if run.ended:
            run.leaving.expect(now + patience, grace)
        else:
            self._stop(run, now, patience, grace)

    def _press(self, run: RunState, now: float) -> None:
        self._desk.out.extend(run.leaving.due(run.run_id, now))
