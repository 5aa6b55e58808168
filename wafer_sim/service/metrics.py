"""What a coordinator tells Prometheus: jobs, workers, and of the run on the wafer how it goes and who is to blame."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from wafer_sim.coordinator.state import FAILED, FINISHED, QUEUED, RUNNING, STARTING
from wafer_sim.figures import verdict_of, worker_rates
from wire.core_use import busiest
from wire.metrics import Kind, Metric, Sample, SeamMetrics
from wire.readings import by_name
from wire.v1 import coordinator_pb2

STATES = (QUEUED, STARTING, RUNNING, FINISHED, FAILED)


def _metric(name: str, kind: Kind, text: str, *labels: str) -> Metric:
    return Metric(f"wafer_sim_{name}", kind, text, labels)


UP = _metric("up_seconds", "gauge", "Seconds since the coordinator started.")
RUNS = _metric("runs", "gauge", "Jobs in each state.", "state")
WORKERS = _metric("workers", "gauge", "Workers that are registered.")
SILENT = _metric("worker_silent_seconds", "gauge", "Seconds since a worker's last sign of life.", "worker")
WORKER_RATE = _metric("worker_samples_per_second", "gauge", "A worker's share of the run's rate.", "run", "worker")
STEPS = _metric("steps_total", "counter", "Weight updates, or batches of an evaluation, of the run.", "run")
SAMPLES = _metric("samples_total", "counter", "Samples that committed steps used.", "run")
RATE = _metric("samples_per_second", "gauge", "Over the last interval.", "run")
MEAN_RATE = _metric("mean_samples_per_second", "gauge", "Over all steps measured.", "run")
SECONDS = _metric("seconds_total", "counter", "Time measured, the first steps and checkpoints left out.", "run")
BUSY = _metric("busy_seconds_total", "counter", "Of it, time in which steps were computed and committed.", "run")
STALL = _metric("stall_seconds_total", "counter", "Of it, time in which steps waited for their input.", "run")
BLAME = _metric("stall_by_seam_seconds", "gauge", "The stall, split over the seams that caused it.", "run", "seam")
UTILISATION = _metric("utilisation_ratio", "gauge", "AU: busy time over total time, 0 to 1.", "run")
KEEPS_UP = _metric("input_keeps_up", "gauge", "1 where the input keeps up (AU of at least 0.90), else 0.", "run")
NEEDED = _metric("workers_needed", "gauge", "Workers that would be enough; not there where that is not known.", "run")
CORES = _metric("cores_busy_ratio", "gauge", "Busiest machine: share of the time its cores were busy, 0 to 1.", "run")
OURS = _metric("cores_ours_ratio", "gauge", "Of that, the share for the processes of the run, 0 to 1.", "run")
LOSS = _metric("loss", "gauge", "Of the last step, or the average of an evaluation; NaN where none is computed.", "run")
_SEAMS = SeamMetrics("wafer_sim", ("run", "seam"))
_HOW_FAR = (STEPS, SAMPLES, RATE, MEAN_RATE, SECONDS, BUSY, STALL, BLAME)
_HOW_WELL = (UTILISATION, KEEPS_UP, NEEDED, CORES, OURS, LOSS)
METRICS = (UP, RUNS, WORKERS, SILENT, WORKER_RATE, *_HOW_FAR, *_HOW_WELL, *_SEAMS.all)


def samples(status: coordinator_pb2.StatusReply) -> Iterator[Sample]:
    """Of what `wafer_sim status` shows. A run has samples while it has the wafer."""
    yield UP, (), status.up_seconds
    yield WORKERS, (), len(status.workers)
    count = Counter(run.state for run in status.runs)
    for state in STATES:
        yield RUNS, (state,), count[state]
    for worker in status.workers:
        yield SILENT, (worker.name,), worker.silent_seconds
    for run in status.runs:
        if run.state == RUNNING and run.HasField("progress"):
            yield from _of_a_run(run)


def _of_a_run(run: coordinator_pb2.RunStatus) -> Iterator[Sample]:
    at, labels = run.progress, (run.run_id,)
    verdict = verdict_of(at, run.seams)
    yield STEPS, labels, at.step
    yield SAMPLES, labels, at.samples
    yield RATE, labels, at.recent_samples_per_second
    yield MEAN_RATE, labels, at.samples_per_second
    yield SECONDS, labels, at.seconds
    yield BUSY, labels, at.busy_seconds
    yield STALL, labels, at.stall_seconds
    yield UTILISATION, labels, at.utilisation
    yield KEEPS_UP, labels, int(verdict.keeps_up)
    load = busiest(at.cores)
    yield CORES, labels, load.busy
    yield OURS, labels, load.ours
    yield LOSS, labels, at.loss
    if verdict.workers is not None:
        yield NEEDED, labels, verdict.workers
    for stall in at.stalls:
        yield BLAME, (run.run_id, stall.seam), stall.seconds
    for worker, rate in worker_rates(at.samples_per_second, run.seams).items():
        yield WORKER_RATE, (run.run_id, worker), rate
    for name, reading in by_name(run.seams).items():
        yield from _SEAMS.samples((run.run_id, name), reading)
