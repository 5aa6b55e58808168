"""The life of a run: assembled from its spec, trained or evaluated; it finishes, is stopped or fails."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

from wafer_sim import checkpoints
from wafer_sim.checkpoints import Checkpoint
from wafer_sim.compiler.program import EVALUATE, GRADIENTS, Entry, Program
from wafer_sim.compiler.training import OptimizerSpec
from wafer_sim.executables import kept
from wafer_sim.ingest.servicer import IngestServicer
from wafer_sim.ledger import StreamPosition
from wafer_sim.replicas import threads_of
from wafer_sim.run.board import Board
from wafer_sim.run.evaluate import Evaluation
from wafer_sim.run.feed import Feed
from wafer_sim.run.train import Training
from wafer_sim.runtime.torch_executor import TorchExecutor
from wire.codec import spec_from_bytes
from wire.cursor import Cursor
from wire.elements import ElementSpec
from wire.errors import Fault, NotFound, Refused
from wire.seam import SeamClosed
from wire.v1 import run_pb2

DEFAULT_INPUT_TIMEOUT = 300.0


class Run:
    """One run. `live` returns when it has ended; `stop` and `fail` may be called from any thread."""

    def __init__(self, run_id: str, spec: run_pb2.RunSpec, executables: Path, board: Board) -> None:
        begun = time.perf_counter()
        self._spec = spec
        self._board = board
        self._fault: Fault | None = None
        program = kept(executables, spec.executable)
        elements = spec_from_bytes(spec.data.element_spec)
        _require_entry(program, spec, elements)
        checkpoint = _starting_point(spec)
        self._executor = _executor(program, spec, checkpoint)
        positions = _positions(spec, checkpoint)
        timeout = spec.input_timeout or DEFAULT_INPUT_TIMEOUT
        self.feed = Feed(spec.data, [t.dtype for t in program.inputs], positions, timeout, board)
        self.ingest = IngestServicer(run_id, self.feed.ports)
        self._work: Training | Evaluation
        if spec.mode == run_pb2.MODE_TRAIN:
            self._work = Training(spec, self._executor, self.feed, board, checkpoint)
        else:
            self._work = Evaluation(spec, self._executor, self.feed, board)
        self._work.programming_seconds = time.perf_counter() - begun

    def live(self) -> None:
        """Run to the end and say so on the board. Raises the Fault that ended it early."""
        self._board.phase(f"waiting for {self._spec.data.streams} streams")
        try:
            with contextlib.suppress(SeamClosed):  # `stop` or `fail` closed the feed while a step waited for it
                self._work.run()
        finally:
            self.feed.close()
        if self._fault is not None:
            raise self._fault
        self._work.end()

    def stop(self) -> None:
        """End after the step in hand, with a checkpoint."""
        self._work.stop_asked.set()
        self.feed.close()

    def fail(self, fault: Fault) -> None:
        """End with this fault after the step in hand; the last checkpoint stays as it is."""
        self._fault = fault
        self.stop()


def _starting_point(spec: run_pb2.RunSpec) -> Checkpoint:
    if spec.checkpoint:
        return checkpoints.read(Path(spec.checkpoint))
    path = checkpoints.latest(Path(spec.model_dir))
    if path is None:
        raise NotFound(
            "there is no checkpoint to start from",
            where=spec.model_dir,
            fix="the service must see the model_dir of run.py under the same path",
        )
    return checkpoints.read(path)


def _executor(program: Program, spec: run_pb2.RunSpec, checkpoint: Checkpoint) -> TorchExecutor:
    optimizer = OptimizerSpec.model_validate_json(spec.optimizer) if spec.optimizer else None
    threads = threads_of(spec.data.replicas)
    executor = TorchExecutor(program, checkpoint.state.weights, optimizer, threads=threads)
    if not spec.fresh_start:
        executor.load(checkpoint.state)
    return executor


def _positions(spec: run_pb2.RunSpec, checkpoint: Checkpoint) -> dict[int, StreamPosition]:
    """Where each stream goes on: at its beginning, or where the checkpoint left it."""
    fresh = {stream: StreamPosition(Cursor(stream)) for stream in range(spec.data.streams)}
    if spec.mode != run_pb2.MODE_TRAIN or spec.fresh_start or checkpoint.step == 0:
        return fresh
    left = {position.cursor.stream: position for position in checkpoint.streams}
    if left.keys() != fresh.keys():
        raise Refused(
            f"the checkpoint of step {checkpoint.step} has {len(left)} streams, this run has {len(fresh)}",
            where=spec.model_dir,
            fix=f"set runconfig.num_streams to {len(left)}, or start in another model_dir",
        )
    return left


def _require_entry(program: Program, spec: run_pb2.RunSpec, elements: ElementSpec) -> None:
    """The program takes what the streams bring. Raises Refused."""
    train = spec.mode == run_pb2.MODE_TRAIN
    entry = Entry(GRADIENTS if train else EVALUATE, spec.data.batch_size // spec.data.replicas)
    if entry not in program.graphs and spec.fabric == run_pb2.FABRIC_COMPUTE:
        raise Refused(f"the executable has no graph {entry}; it has {', '.join(map(str, program.graphs))}")
    brought = [field.shape for field in elements.fields]
    taken = [tensor.shape for tensor in program.inputs]
    if brought != taken:
        raise Refused(f"the streams bring ({elements}), the executable takes shapes {taken}")
