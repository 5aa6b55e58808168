"""A real wafer process with a real program is told to leave."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator

from tests.wafer_sim.run.conftest import Bench
from tests.wafer_sim.test_wafer_process import Coordinator
from wire.channel import Security, serve
from wire.v1 import run_pb2, run_pb2_grpc


class Listening(Coordinator):
    """Gives one run and hears when it has come to a phase."""

    def __init__(self, spec: run_pb2.RunSpec, phase: str) -> None:
        super().__init__()
        self.reached = threading.Event()
        self._phase = phase
        self.said = Said(self)
        self.orders = lambda: self._give(spec)

    def _give(self, spec: run_pb2.RunSpec) -> Iterator[run_pb2.WaferOrder]:
        yield run_pb2.WaferOrder(start=spec)
        self.all_said.wait(30)

    def hears(self, event: run_pb2.WaferEvent) -> None:
        if event.run.phase == self._phase:
            self.reached.set()


class Said(list[run_pb2.WaferEvent]):
    """What was said; the listener looks at each word."""

    def __init__(self, listener: Listening) -> None:
        super().__init__()
        self._listener = listener

    def append(self, event: run_pb2.WaferEvent) -> None:
        super().append(event)
        self._listener.hears(event)


def test_sigterm_ends_the_wait_for_the_first_batch(bench: Bench) -> None:
    """Nobody feeds it: exit code 0, and the last word is of a run that was stopped."""
    coordinator = Listening(bench.spec(), "waiting for 2 streams")
    server, port = serve("localhost", 0, Security(), threads=8)
    run_pb2_grpc.add_WaferServicer_to_server(coordinator, server)
    server.start()
    command = [sys.executable, "-m", "wafer_sim.wafer_process", "--coordinator", f"localhost:{port}", "--run", "r"]
    command += ["--incarnation", "1", "--executables", str(bench.store)]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
        assert coordinator.reached.wait(60)
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    server.stop(None).wait()
    assert coordinator.kinds()[-1] == "finished"
    assert coordinator.said[-1].run.finished.stopped
    assert bench.steps() == [0]
