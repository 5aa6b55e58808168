"""A coordinator's answer, made by hand: a run that starves, fed by two workers, and one that waits."""

from __future__ import annotations

from wire.readings import seam_message
from wire.seam import SeamReading
from wire.spread import Spread
from wire.v1 import coordinator_pb2, run_pb2


def busy_status() -> coordinator_pb2.StatusReply:
    """Run run-1 of two replicas gets half of what it takes, from host:1 three quarters of it, and waits for prepare."""
    spec = run_pb2.RunSpec(mode=run_pb2.MODE_TRAIN, model_dir="/models/m", data=run_pb2.DataPlan(streams=3, replicas=2))
    runs = [
        coordinator_pb2.RunStatus(
            run_id="run-1", state="running", spec=spec, progress=_progress(), phase="running", seams=_seams()
        ),
        coordinator_pb2.RunStatus(run_id="run-2", state="queued", spec=spec, place=1),
    ]
    workers = [
        coordinator_pb2.WorkerStatus(name="host:1", streams=[0, 1], silent_seconds=0.4),
        coordinator_pb2.WorkerStatus(name="host:2", streams=[2], silent_seconds=0.1, late=[1]),
    ]
    return coordinator_pb2.StatusReply(runs=runs, workers=workers, up_seconds=75.0)


def _progress() -> run_pb2.Progress:
    progress = run_pb2.Progress(
        step=1_000,
        max_steps=2_000,
        loss=0.25,
        samples=5_000,
        seconds=8.0,
        samples_per_second=600.0,
        recent_samples_per_second=640.0,
        utilisation=0.5,
        stall_seconds=4.0,
        busy_seconds=3.99,
        stalls=[run_pb2.SeamStall(seam="prepare", seconds=3.0), run_pb2.SeamStall(seam="wire", seconds=1.0)],
        cores=[run_pb2.Cores(cores=2, busy_seconds=6.4, seconds=8.0, own_seconds=3.2)],
        seams=[_seam("merge", 38, "", 0, 0.2)],
    )
    for stream, samples in enumerate((2_000, 1_000, 2_000)):
        progress.streams.add(samples=samples).next.stream = stream
    return progress


def _seams() -> list[run_pb2.Seam]:
    return [
        _seam("prefetch", 15, "host:1", 0, 0.1),
        _seam("prefetch", 15, "host:1", 1, 0.1),
        _seam("prefetch", 10, "host:2", 2, 0.1),
        _seam("wire", 15, "host:1", 0, 0.002),
        _seam("merge", 38, "", 0, 0.2),
    ]


def _seam(name: str, items: int, worker: str, stream: int, wait: float) -> run_pb2.Seam:
    spread = Spread.of([wait] * items)
    return seam_message(
        SeamReading(name, items, 0.0, items * wait, 1.5, 2, 16, Spread(), spread, 2**20), worker, stream
    )
