"""`cs_input_analyzer`, in the process that has validated or compiled: its input is measured, and a setting advised."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from clients import params as params_files
from clients.analysis.alone import rate_alone
from clients.analysis.draining import Drain, Source, drained
from clients.analysis.shapes import Brought, Shape, recommended, shapes_of
from clients.analysis.sizing import waits
from clients.analysis.wording import conclusion, heading, line_of
from clients.input import DEFAULT_STREAMS
from clients.job import TRAIN
from clients.launcher import loader_arguments
from clients.private_service import Service
from wafer_sim.meter import WARM_UP_STEPS
from wire.cores import Cores
from wire.errors import Fault, InvalidInput, Refused

if TYPE_CHECKING:
    from clients.captured import Captured
    from clients.job import Job
    from wafer_sim.fabric.result import Estimate

ASKED = "WAFER_ANALYZE_INPUT"
"""Set by the launcher to the number of nodes that a run may have."""

SECONDS = 2.0
"""How long each shape is measured, at least; about half of it is waited for before, for one stream alone."""
PATIENCE_SECONDS = 60.0
"""How long a batch is waited for: workers import what the user's code imports before they make the first one."""


def nodes_asked(environment: Mapping[str, str]) -> int | None:
    """The nodes that an analysis is to reckon with; None where none is asked for. Raises InvalidInput."""
    text = environment.get(ASKED, "")
    if not text:
        return None
    if not text.isdecimal() or not int(text):
        raise InvalidInput(f"{ASKED} is {text!r}, no number of nodes", where=ASKED, fix="unset it, or mend it")
    return int(text)


def analysed(captured: Captured, job: Job, estimate: Estimate | None, nodes: int) -> Iterator[str]:
    """Measure the input of a captured job, and give the report line by line.

    Raises Refused for an evaluation, InvalidInput for a data function that workers cannot load, and what ends a run.
    """
    if job.mode != TRAIN:
        what = "it is the input of a training run whose rate is wanted"
        raise Refused(what, where=f"mode {job.mode}", fix="give --mode train")
    cpus = sorted(Cores.here().all)
    wanted = estimate.samples_per_second if estimate is not None else None
    yield heading(len(cpus))
    brought: list[Brought] = []
    with _source(captured, job) as source:
        for shape, found in _measured(source, captured, cpus):
            yield line_of(shape, found)
            brought += [found] if isinstance(found, Brought) else []
    if not brought:
        what = "no task brought enough batches to be measured"
        raise Refused(what, where="cs_input_analyzer", fix="what each was waiting for is said above")
    yield from conclusion(brought, recommended(brought, nodes, wanted), wanted)


@contextmanager
def _source(captured: Captured, job: Job) -> Iterator[Source]:
    """The input as workers open it: a recipe, a function that they load with the params in force, or their own way."""
    own = job.worker_command
    with tempfile.TemporaryDirectory(prefix="analysis_") as name:
        options: list[str] = []
        if not captured.source.recipe and own is None:
            params = params_files.dump(job.params, Path(name), job.mode)
            options = loader_arguments(job.data_reference(), params)
        yield Source.read(captured.source, options, own)


def _measured(source: Source, captured: Captured, cpus: list[int]) -> Iterator[tuple[Shape, Brought | Fault]]:
    """Each shape, and what it brought or why it could not be measured."""
    opened = captured.source.opened
    assert opened is not None  # noqa: S101 - LoaderInput.of has opened it
    batches = rate_alone(opened, source.batch_size, source.shuffle, SECONDS / 2) / source.batch_size
    with tempfile.TemporaryDirectory(prefix="analysis_") as name, _unasked():
        folder = Path(name)
        with Service(folder / "wafer_sim.log") as service:
            address = service.address()
            for number, shape in enumerate(shapes_of(len(cpus))):
                try:
                    finished = drained(address, folder / str(number), source, drain_of(shape, cpus, batches))
                except Fault as fault:
                    yield shape, fault
                    continue
                found = Brought(shape, finished.progress.samples_per_second, waits(finished.seams))
                batches = found.each / source.batch_size
                yield shape, found


def drain_of(shape: Shape, cpus: list[int], batches: float) -> Drain:
    """How a shape is measured, where a task makes about so many batches a second. cpus: processor numbers."""
    steps = WARM_UP_STEPS + max(2, int(batches * shape.tasks * SECONDS))
    own = [cpus[task * shape.cpus : (task + 1) * shape.cpus] for task in range(shape.tasks)]
    return Drain(steps, shape.tasks, streams=max(DEFAULT_STREAMS, shape.tasks), cores=own, patience=PATIENCE_SECONDS)


@contextmanager
def _unasked() -> Iterator[None]:
    """What is started meanwhile analyses nothing itself."""
    asked = os.environ.pop(ASKED, None)
    try:
        yield
    finally:
        if asked is not None:
            os.environ[ASKED] = asked
