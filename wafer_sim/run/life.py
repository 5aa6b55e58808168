"""The life of a run: assembled from its spec, trained or evaluated; it finishes, is stopped or fails."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Set
from pathlib import Path

from wafer_sim import checkpoints
from wafer_sim.accounts import Accounts
from wafer_sim.checkpoints import Checkpoint
from wafer_sim.compiler.program import EVALUATE, GRADIENTS, Entry
from wafer_sim.compiler.reading import AnyProgram
from wafer_sim.compiler.training import OptimizerSpec
from wafer_sim.executables import kept
from wafer_sim.ingest.servicer import IngestServicer
from wafer_sim.ledger import Ledger, StreamPosition
from wafer_sim.replicas import threads_of
from wafer_sim.run.board import Board
from wafer_sim.run.evaluate import Evaluation
from wafer_sim.run.feed import Feed
from wafer_sim.run.train import Training
from wafer_sim.runtime.opening import Execution, open_executor
from wafer_sim.runtime.protocol import Executor
from wire.codec import cursor_from
from wire.cursor import Cursor
from wire.elements import ElementSpec
from wire.errors import Fault, InvalidInput, NotFound, Refused
from wire.schema import spec_from_bytes
from wire.seam import SeamClosed
from wire.v1 import run_pb2

log = logging.getLogger(__name__)

DEFAULT_INPUT_TIMEOUT = 300.0


class Run:
    """One run. `live` returns when it has ended; `stop` and `fail` may be called from any thread.

    memory: bytes that the wafer has; 0: no bound.
    """

    def __init__(self, spec: run_pb2.RunSpec, executables: Path, board: Board, memory: int = 0) -> None:
        begun = time.perf_counter()
        self._board = board
        self._fault: Fault | None = None
        program = kept(executables, spec.executable)
        elements = spec_from_bytes(spec.data.element_spec)
        _require_entry(program, spec, elements)
        spec, checkpoint = _starting_point(spec, board)
        self._spec = spec
        self._executor = _executor(program, spec, checkpoint, memory)
        timeout = spec.input_timeout or DEFAULT_INPUT_TIMEOUT
        self.feed = Feed(spec.data, [t.dtype for t in program.inputs], _ledger(spec, checkpoint), timeout, board)
        if spec.fabric != run_pb2.FABRIC_DRAIN:
            self.feed.land_ahead()
        self.ingest = IngestServicer(board.run_id, self.feed.ports, sharing=not spec.tcp_only)
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
            self.feed.leave()
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


def _starting_point(spec: run_pb2.RunSpec, board: Board) -> tuple[run_pb2.RunSpec, Checkpoint]:
    """The checkpoint to go on from, and the spec of what is left to do; each damaged one passed over is told.

    A process of this run that died has left its own checkpoints; else it is the one that the spec names, or the newest.
    """
    model_dir = Path(spec.model_dir)
    if spec.mode == run_pb2.MODE_TRAIN:
        with contextlib.suppress(NotFound, InvalidInput):
            own = _told(checkpoints.newest_whole(model_dir, run=board.run_id), board)
            return _going_on(spec), own
    if spec.checkpoint:
        return spec, checkpoints.read(Path(spec.checkpoint))
    return spec, _told(checkpoints.newest_whole(model_dir), board)


def _going_on(spec: run_pb2.RunSpec) -> run_pb2.RunSpec:
    """The spec of a run that has checkpoints of its own: they hold where its streams are."""
    left = run_pb2.RunSpec()
    left.CopyFrom(spec)
    left.fresh_start = False
    del left.starts[:]
    return left


def _told(found: tuple[Checkpoint, list[str]], board: Board) -> Checkpoint:
    checkpoint, damaged = found
    for problem in damaged:
        log.warning("a damaged checkpoint is passed over: %s", problem)
        board.phase(f"passing over a damaged checkpoint: {problem}")
    return checkpoint


def _executor(program: AnyProgram, spec: run_pb2.RunSpec, checkpoint: Checkpoint, memory: int) -> Executor:
    optimizer = OptimizerSpec.model_validate_json(spec.optimizer) if spec.optimizer else None
    threads = threads_of(spec.data.replicas)
    outside = Path(spec.model_dir) if spec.weight_streaming else None
    bounds = [size for size in (memory, spec.wafer_memory) if size]
    how = Execution(outside, min(bounds, default=0), spec.data.replicas)
    return open_executor(program, checkpoint.state, optimizer, threads=threads, fresh=spec.fresh_start, execution=how)


def _ledger(spec: run_pb2.RunSpec, checkpoint: Checkpoint) -> Ledger:
    """Where each stream goes on: at its beginning, where the spec says, or where the checkpoint left it.

    A checkpoint without streams came from elsewhere: it holds steps that no stream of ours has fed.
    """
    fresh = {stream: StreamPosition(Cursor(stream)) for stream in range(spec.data.streams)}
    if spec.mode != run_pb2.MODE_TRAIN:
        return Ledger(fresh.values())
    if spec.fresh_start or checkpoint.step == 0 or not checkpoint.streams:
        return Ledger(fresh.values(), Accounts(spec.data.rows))
    accounts = checkpoint.accounts or Accounts(spec.data.rows)
    if spec.starts:
        return Ledger(_started(spec, fresh.keys()), accounts)
    left = {position.cursor.stream: position for position in checkpoint.streams}
    if left.keys() != fresh.keys():
        raise Refused(
            f"the checkpoint of step {checkpoint.step} has {len(left)} streams, this run has {len(fresh)}",
            where=spec.model_dir,
            fix=f"set runconfig.num_streams to {len(left)}, or start in another model_dir",
        )
    return Ledger(left.values(), accounts)


def _started(spec: run_pb2.RunSpec, streams: Set[int]) -> list[StreamPosition]:
    """The spec's own starts, in the order of the streams. Raises Refused where they are not those of the run."""
    starts = [StreamPosition(cursor_from(start.cursor), start.samples, start.batches) for start in spec.starts]
    starts.sort(key=lambda position: position.cursor)
    if [position.cursor.stream for position in starts] != sorted(streams):
        raise Refused(
            f"the run has {len(streams)} streams and starts for "
            f"{', '.join(str(position.cursor.stream) for position in starts)}",
            where="RunSpec.starts",
            fix="give one start for each stream",
        )
    return starts


def _require_entry(program: AnyProgram, spec: run_pb2.RunSpec, elements: ElementSpec) -> None:
    """The program takes what the streams bring. Raises Refused."""
    train = spec.mode == run_pb2.MODE_TRAIN
    entry = Entry(GRADIENTS if train else EVALUATE, spec.data.batch_size // spec.data.replicas)
    if entry not in program.graphs and spec.fabric == run_pb2.FABRIC_COMPUTE:
        raise Refused(f"the executable has no graph {entry}; it has {', '.join(map(str, program.graphs))}")
    brought = [field.shape for field in elements.fields]
    taken = [tensor.shape for tensor in program.inputs]
    if brought != taken:
        raise Refused(f"the streams bring ({elements}), the executable takes shapes {taken}")
