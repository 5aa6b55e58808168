"""Runs in this process: a tiny program, a model_dir with checkpoint_0, and streams fed by hand."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from wafer_sim import checkpoints, executables
from wafer_sim.checkpoints import Checkpoint
from wafer_sim.compiler.program import Program
from wafer_sim.compiler.reading import AnyProgram
from wafer_sim.compiler.training import OptimizerSpec
from wafer_sim.run.board import Board
from wafer_sim.run.life import Run
from wafer_sim.runtime.protocol import State
from wire.codec import Frame
from wire.cursor import Cursor
from wire.elements import ElementSpec, Field
from wire.errors import StaleLease
from wire.schema import spec_to_bytes
from wire.seam import SeamClosed
from wire.v1 import run_pb2

ROWS = 4
SPEC = ElementSpec((Field("data", "float32", (12,)), Field("labels", "int64")))


def batch_of(stream: int, sequence: int, rows: int = ROWS) -> dict[str, np.ndarray]:
    """A batch that is a function of its place."""
    random = np.random.default_rng([stream, sequence])
    return {"data": random.standard_normal((rows, 12), np.float32), "labels": random.integers(5, size=rows)}


Account = Callable[[int, int], dict[str, Any]]
"""What a frame says of its batch beside the values, by stream and number."""


def unaccounted(stream: int, sequence: int) -> dict[str, Any]:
    """Nothing but a digest."""
    return {"digests": (1000 * stream + sequence,)}


class Feeder(threading.Thread):
    """Feeds one stream of a run from the cursor it is told, under its credits, to the end of its batches."""

    def __init__(
        self,
        run: Run,
        stream: int,
        count: int,
        batch: Callable[[int, int], dict[str, Any]],
        account: Account = unaccounted,
        lease: int = 1,
    ) -> None:
        super().__init__(daemon=True)
        self._account = account
        self._port = run.feed.ports[stream]
        self._push = self._port.enter(lease, f"feeder-{stream}-{lease}")
        self._count = count
        self._batch = batch
        self.start()

    def run(self) -> None:
        first = self._push.grants.get(20)
        cursor, credit = Cursor(first.start.stream, first.start.epoch, first.start.sequence), first.batches
        try:
            while cursor.sequence < self._count:
                while not credit:
                    credit = self._push.grants.get().batches
                following = cursor.following()
                place = cursor.stream, cursor.sequence
                self._push.arrive([Frame(cursor, following, self._batch(*place), **self._account(*place))], 100)
                cursor, credit = following, credit - 1
            self._push.arrive([Frame(cursor, cursor, {}, end=True)], 10)
        except (SeamClosed, StaleLease):
            pass  # the run is over


class Bench:
    """Where runs are made and heard."""

    def __init__(self, folder: Path, program: AnyProgram, weights: dict[str, Any]) -> None:
        self.model_dir = folder / "model"
        self.store = folder / "executables"
        self.program, self.weights = program, weights
        self._executable, _ = executables.keep(self.store, program)
        checkpoints.write(self.model_dir, Checkpoint(0, State(self.weights)))
        self.board = Board(run_pb2.Attached(run_id="r0"))
        self._runs = 0
        self._said: list[run_pb2.RunEvent] = []
        self.optimizer = OptimizerSpec.from_params({"optimizer_type": "sgd", "learning_rate": 0.1, "momentum": 0.9})

    def spec(self, **changes: Any) -> run_pb2.RunSpec:
        data = {"streams": 2, "replicas": 1, "batch_size": ROWS, "element_spec": spec_to_bytes(SPEC)}
        data |= changes.pop("data", {})
        given = {
            "mode": run_pb2.MODE_TRAIN,
            "fabric": run_pb2.FABRIC_COMPUTE,
            "model_dir": str(self.model_dir),
            "executable": self._executable,
            "optimizer": self.optimizer.model_dump_json(),
            "max_steps": 8,
            "check_loss_values": True,
            "input_timeout": 20.0,
        }
        return run_pb2.RunSpec(**(given | changes), data=run_pb2.DataPlan(**data))

    def run(self, **changes: Any) -> Run:
        """A run that is programmed and not yet alive. Another one each time, unless `run_id` says which."""
        self._runs += 1
        run_id = changes.pop("run_id", f"r{self._runs}")
        self.board, self._said = Board(run_pb2.Attached(run_id=run_id)), []
        return Run(self.spec(**changes), self.store, self.board)

    def live(
        self,
        count: int = 1000,
        batch: Callable[[int, int], dict[str, Any]] = batch_of,
        account: Account = unaccounted,
        **changes: Any,
    ) -> run_pb2.Finished:
        """A run to its end, fed with `count` batches a stream; its last word. Raises what it raises."""
        run = self.run(**changes)
        feed(run, count, batch, account)
        run.live()
        return self.events("finished")[-1].finished

    def events(self, kind: str = "") -> list[run_pb2.RunEvent]:
        """What the board was told so far, all of it or of one kind."""
        self.board.close()
        self._said += [event.run for event in self.board.outgoing() if event.HasField("run")]
        return [event for event in self._said if kind in ("", event.WhichOneof("event"))]

    def steps(self) -> list[int]:
        """The steps of the checkpoints that there are."""
        return sorted(int(path.name.split("_")[1]) for path in self.model_dir.glob("checkpoint_*"))

    def saved(self, step: int) -> Checkpoint:
        return checkpoints.read(self.model_dir / f"checkpoint_{step}")


def feed(
    run: Run,
    count: int = 1000,
    batch: Callable[[int, int], dict[str, Any]] = batch_of,
    account: Account = unaccounted,
) -> None:
    """Feed every stream of a run."""
    for stream in run.feed.ports:
        Feeder(run, stream, count, batch, account)


@pytest.fixture(scope="session")
def traced(tracing: ModuleType) -> tuple[Program, dict[str, Any]]:
    """A small model as a program, and its weights; tracing takes a second, so it is done once."""
    model = tracing.Mlp()
    return tracing.trace(model, tracing.samples(ROWS), [ROWS, 2]), tracing.weights_of(model)


@pytest.fixture
def bench(tmp_path: Path, traced: tuple[Program, dict[str, Any]]) -> Bench:
    return Bench(tmp_path, *traced)


@pytest.fixture
def make_bench(tmp_path_factory: pytest.TempPathFactory) -> Callable[[AnyProgram, dict[str, Any]], Bench]:
    """Makes a Bench of a program and its weights, each in a folder of its own."""
    return lambda program, weights: Bench(tmp_path_factory.mktemp("bench"), program, weights)
