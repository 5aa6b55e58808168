"""Any input through the real service, its workers and its wafer process, to an accelerator that only consumes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from clients.input import LoaderInput
from clients.job import WorkerCommand
from clients.launcher import LocalWorkers
from clients.session import Session
from streamer.pipeline import recipe_input
from streamer.recipe import Recipe
from wafer_sim import checkpoints
from wafer_sim.checkpoints import Checkpoint
from wafer_sim.compiler.program import GRADIENTS, Entry, Graph, Program, Ref, Tensor
from wafer_sim.runtime.protocol import State
from wire.elements import ElementSpec
from wire.errors import Stopped
from wire.schema import spec_to_bytes
from wire.status import fault_of
from wire.v1 import run_pb2

STREAMS = 4
PATIENCE_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Source:
    """What is streamed, in batches of `batch_size`. recipe: its JSON; "" where the workers have a loader.

    rows: None where nobody knows. loader: the options of a worker that name a user's loader. own: what workers are,
    where they are not to load a function by name.
    """

    spec: ElementSpec
    batch_size: int
    rows: int | None
    shuffle: bool
    recipe: str = ""
    loader: tuple[str, ...] = ()
    own: WorkerCommand | None = None

    @classmethod
    def read(cls, found: LoaderInput, loader: Sequence[str] = (), own: WorkerCommand | None = None) -> Source:
        """What a user's loader was found to be."""
        return cls(found.spec, found.batch_size, found.rows, found.shuffle, found.recipe, tuple(loader), own)

    @classmethod
    def of(cls, recipe: Recipe) -> Source:
        """A recipe's data. Raises Fault where it is not there."""
        opened = recipe_input(recipe)
        return cls(opened.spec, recipe.batch_size, opened.rows, recipe.shuffle, recipe.to_json())


@dataclass(frozen=True, slots=True)
class Drain:
    """How a source is consumed: so many steps, at `rate` samples a second; 0: as fast as they come.

    prefetch: batches kept ready in each stream; 0: workers find out.
    cores: the processors that each worker is kept to, where they are. patience: seconds that a batch is waited for.
    """

    steps: int
    workers: int = 2
    rate: float = 0.0
    tcp_only: bool = False
    streams: int = STREAMS
    prefetch: int = 0
    cores: Sequence[Iterable[int]] = ()
    patience: float = PATIENCE_SECONDS


def drained(address: str, model_dir: Path, source: Source, drain: Drain) -> run_pb2.Finished:
    """Drain a source through workers of its own, to the end of the steps. Raises the Fault that ended the run early."""
    with Session(address) as session:
        run_id = submitted(session, model_dir, source, drain)
        own = source.own(session.address, session.id) if source.own is not None else None
        with LocalWorkers(drain.workers, session.address, session.id, source.loader, own=own) as workers:
            workers.start()
            workers.bind(drain.cores)
            return _to_the_end(session, run_id)


def submitted(session: Session, model_dir: Path, source: Source, drain: Drain) -> str:
    """The id of a run that drains a source, and waits for workers. Raises Fault."""
    program = consumer(source.spec)
    checkpoints.write(model_dir, Checkpoint(0, State({}), executable=program.digest()))
    session.elect(str(model_dir))
    spec = run_pb2.RunSpec(
        mode=run_pb2.MODE_TRAIN,
        fabric=run_pb2.FABRIC_DRAIN,
        model_dir=str(model_dir),
        executable=session.compile(program.to_json()).executable,
        data=plan_of(source, drain),
        session=session.id,
        max_steps=drain.steps,
        drain_rate=drain.rate,
        input_timeout=drain.patience,
        tcp_only=drain.tcp_only,
    )
    return session.submit(spec).run_id


def _to_the_end(session: Session, run_id: str) -> run_pb2.Finished:
    for event in session.follow(run_id):
        if event.HasField("failed"):
            raise fault_of(event.failed)
        if event.HasField("finished"):
            return event.finished
    raise Stopped(f"{run_id} ended without a word")


def consumer(spec: ElementSpec) -> Program:
    """A program that takes these elements and computes nothing: what it would call its loss is its first input."""
    inputs = tuple(Tensor(field.name, field.shape, field.dtype) for field in spec.landed().fields)
    return Program((), inputs, {Entry(GRADIENTS, 1): Graph((), {"loss": Ref(0)})})


def plan_of(source: Source, drain: Drain) -> run_pb2.DataPlan:
    """The data plan of a run without end: full batches only."""
    steps = None if source.rows is None else source.rows // source.batch_size
    return run_pb2.DataPlan(
        streams=drain.streams if steps is None else max(1, min(drain.streams, steps)),
        replicas=1,
        batch_size=source.batch_size,
        drop_remainder=True,
        seed=1,
        shuffle=source.shuffle,
        prefetch=drain.prefetch,
        element_spec=spec_to_bytes(source.spec),
        recipe=source.recipe,
        rows=source.rows or 0,
    )
