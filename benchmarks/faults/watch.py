"""A coordinator, watched through its status: what was committed when, and who is there."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import grpc

from benchmarks.faults.figures import Commit
from wire.channel import Security, connect
from wire.v1 import coordinator_pb2, coordinator_pb2_grpc

POLL_SECONDS = 0.025
ANSWER_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Sight:
    """One look. state: of the newest run of the model_dir, "" where there is none. workers: their names, host:pid."""

    at: float
    state: str = ""
    step: int = 0
    session: str = ""
    workers: frozenset[str] = frozenset()

    def has_worker(self, pid: int) -> bool:
        return any(name.endswith(f":{pid}") for name in self.workers)


class Watch:
    """Asks what `wafer_sim status` asks, many times a second, and keeps the time of every new committed step."""

    def __init__(self, address: str, model_dir: Path) -> None:
        self._address = address
        self._model_dir = str(model_dir)
        self._ended = threading.Event()
        self._changed = threading.Condition()
        self._sight = Sight(time.monotonic())
        self._commits: list[Commit] = []
        self._samples = -1
        self._thread = threading.Thread(target=self._look, name="watch", daemon=True)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()

    @property
    def sight(self) -> Sight:
        """The last look."""
        with self._changed:
            return self._sight

    @property
    def commits(self) -> list[Commit]:
        with self._changed:
            return list(self._commits)

    def wait(self, seen: Callable[[Sight], bool], seconds: float) -> bool:
        """Whether a look shows that within so many seconds."""
        with self._changed:
            return self._changed.wait_for(lambda: seen(self._sight), seconds)

    def rest(self, seconds: float) -> None:
        """Let so much time pass; the watch goes on."""
        self._ended.wait(seconds)

    def _look(self) -> None:
        while not self._ended.is_set():
            with connect(self._address, Security.from_environment()) as channel:
                stub = coordinator_pb2_grpc.CoordinatorStub(channel)
                while self._ask(stub) and not self._ended.wait(POLL_SECONDS):
                    pass
            self._ended.wait(POLL_SECONDS)

    def _ask(self, stub: coordinator_pb2_grpc.CoordinatorStub) -> bool:
        """Whether the coordinator answered; a channel to one that is gone is not used again: it backs off."""
        try:
            reply = stub.Status(coordinator_pb2.StatusRequest(), timeout=ANSWER_SECONDS)
        except grpc.RpcError:
            return False
        self._note(reply, time.monotonic())
        return True

    def _note(self, reply: coordinator_pb2.StatusReply, now: float) -> None:
        workers = frozenset(worker.name for worker in reply.workers)
        run = next((run for run in reversed(reply.runs) if run.spec.model_dir == self._model_dir), None)
        with self._changed:
            step = self._sight.step
            if (
                run is not None
                and run.progress.step
                and (run.progress.step, run.progress.samples)
                != (
                    step,
                    self._samples,
                )
            ):
                step, self._samples = run.progress.step, run.progress.samples
                self._commits.append(Commit(now, step))
            state, session = (run.state, run.spec.session) if run is not None else ("", "")
            self._sight = Sight(now, state, step, session, workers)
            self._changed.notify_all()
