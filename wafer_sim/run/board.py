"""The board of a run: what it says to its coordinator, and what it is told of its workers."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterator

from wafer_sim.ledger import StreamPosition, Taken
from wafer_sim.meter import Meter, Reading, attribute
from wafer_sim.run.machines import Machines
from wire.codec import cursor_message
from wire.core_use import CoreMeter
from wire.errors import Fault
from wire.observed import Arrays, observed_message
from wire.status import problem_of
from wire.v1 import ingest_pb2, run_pb2

PROGRESS_SECONDS = 0.25
PREPARE, WIRE = "prepare", "wire"


class Board:
    """Collects run events in order; the process sends them. All methods may be called from any thread."""

    def __init__(self, attached: run_pb2.Attached) -> None:
        self._events: queue.SimpleQueue[run_pb2.WaferEvent | None] = queue.SimpleQueue()
        self._events.put(run_pb2.WaferEvent(attached=attached))
        self.run_id = attached.run_id
        self._seams: dict[tuple[str, int, str], run_pb2.Seam] = {}
        self.machines = Machines(CoreMeter())
        self._lock = threading.Lock()
        self._phase = ""
        self._last_progress = 0.0

    def outgoing(self) -> Iterator[run_pb2.WaferEvent]:
        """Every event until the board is closed."""
        while (event := self._events.get()) is not None:
            yield event

    def close(self) -> None:
        self._events.put(None)

    def phase(self, text: str) -> None:
        """Say in one short sentence what the run does now; a repetition is not said again."""
        if text != self._phase:
            self._phase = text
            self._publish(run_pb2.RunEvent(phase=text))

    def saved(self, step: int, path: str) -> None:
        self._publish(run_pb2.RunEvent(saved=run_pb2.Saved(step=step, path=path)))

    def late(self, stream: int, worker: str, seconds: float) -> None:
        """A stream keeps a step waiting for longer than it should; `worker` hosts it, "" where none does."""
        self._publish(run_pb2.RunEvent(late=run_pb2.Late(stream=stream, worker=worker, seconds=seconds)))

    def passed(self, step: int, taken: Taken) -> None:
        """The bad samples of a committed batch; `step` weight updates were made when it was."""
        bad = [ingest_pb2.BadSample(place=b.place, row=b.row, where=b.where, why=b.why) for b in taken.bad]
        passed = run_pb2.Passed(step=step, cursor=cursor_message(taken.cursor), bad=bad)
        self._publish(run_pb2.RunEvent(passed=passed))

    def observed(self, step: int, values: Arrays) -> None:
        """What the program lets be seen of a step; `step` weight updates were made with it."""
        self._publish(run_pb2.RunEvent(observed=observed_message(step, values)))

    def failed(self, fault: Fault) -> None:
        self._publish(run_pb2.RunEvent(failed=problem_of(fault)))

    def finished(self, finished: run_pb2.Finished) -> None:
        self._publish(run_pb2.RunEvent(finished=finished))

    def due(self) -> bool:
        """Whether the last progress is long enough ago to say more."""
        return time.perf_counter() - self._last_progress >= PROGRESS_SECONDS

    def progress(self, progress: run_pb2.Progress) -> None:
        self._last_progress = time.perf_counter()
        self._publish(run_pb2.RunEvent(progress=progress))

    def report(self, report: run_pb2.SeamReport) -> None:
        """A worker's latest readings."""
        with self._lock:
            for seam in report.seams:
                self._seams[report.worker_id, seam.stream, seam.name] = seam
        if report.HasField("cores"):
            self.machines.hear(report.worker_id, report.cores)

    def seams(self) -> list[run_pb2.Seam]:
        with self._lock:
            return list(self._seams.values())

    def stalls(self, seconds: float, late: float = 0.0) -> list[run_pb2.SeamStall]:
        """A stall split over the seams that kept pushers waiting: their pipeline ("prepare") or the wire.

        `late` seconds of it were for late streams: they are a part of their own.
        """
        seams = self.seams()
        waits = {
            PREPARE: sum(seam.get_wait for seam in seams if seam.name == "prefetch"),
            WIRE: sum(seam.put_wait for seam in seams if seam.name == "wire"),
        }
        return [run_pb2.SeamStall(seam=name, seconds=part) for name, part in attribute(seconds, waits, late).items()]

    def _publish(self, event: run_pb2.RunEvent) -> None:
        self._events.put(run_pb2.WaferEvent(run=event))


def progress_message(reading: Reading, step: int, max_steps: int, loss: float) -> run_pb2.Progress:
    """A meter's reading as it travels."""
    return run_pb2.Progress(
        step=step,
        max_steps=max_steps,
        loss=loss,
        samples=reading.samples,
        seconds=reading.seconds,
        samples_per_second=reading.rate,
        recent_samples_per_second=reading.recent_rate,
        utilisation=reading.utilisation,
        stall_seconds=reading.stall_seconds,
        busy_seconds=reading.busy_seconds,
    )


def timeline_message(meter: Meter) -> list[run_pb2.Interval]:
    """How the rate went, as it travels."""
    return [
        run_pb2.Interval(seconds=each.seconds, samples=each.samples, stall_seconds=each.stall)
        for each in meter.intervals()
    ]


def position_message(position: StreamPosition) -> run_pb2.StreamPosition:
    """A stream's position as it travels."""
    return run_pb2.StreamPosition(
        next=cursor_message(position.cursor), samples=position.samples, batches=position.batches
    )
