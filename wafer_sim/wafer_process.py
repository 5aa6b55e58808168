"""The wafer process: holds one programmed executable for one run. The coordinator starts and supervises it.

    python -m wafer_sim.wafer_process --coordinator HOST:PORT --run ID --incarnation N --executables DIR

It leaves when its run has ended, when it is told to, on SIGTERM, or when its standard input closes (the coordinator
is gone).
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import grpc

from wafer_sim.run.board import Board
from wire.channel import Security, connect, serve
from wire.errors import Fault, Refused, Stopped
from wire.status import fault_of, raised
from wire.v1 import run_pb2, run_pb2_grpc

if TYPE_CHECKING:
    from wafer_sim.run.life import Run

log = logging.getLogger("wafer_sim.wafer")

GOODBYE_SECONDS = 5.0


class WaferProcess:
    """Attaches to the coordinator, runs what it is given, and says how it goes."""

    def __init__(self, coordinator: str, run_id: str, incarnation: int, executables: Path) -> None:
        self._run_id = run_id
        self._executables = executables
        self._coordinator = coordinator
        security = Security.from_environment()
        self._server, port = serve("localhost", 0, security, threads=4096)
        self._channel = connect(coordinator, security)
        attached = run_pb2.Attached(run_id=run_id, incarnation=incarnation, ingest_address=f"localhost:{port}")
        self._board = Board(attached)
        self._run: Run | None = None
        self._stop = threading.Event()
        self._verdict: Fault | None = None

    def main(self) -> int:
        """The process's life; its exit code."""
        orders = run_pb2_grpc.WaferStub(self._channel).Attach(self._board.outgoing())
        spec = self._spec(orders)
        obeying = threading.Thread(target=self._obey, args=(orders,), name="orders", daemon=True)
        try:
            obeying.start()
            self._live(spec)
        except Fault as fault:
            log.error("%s", fault)
            self._board.failed(self._verdict or fault)
        finally:
            self._board.close()
            obeying.join(GOODBYE_SECONDS)
            self._server.stop(grace=None)
            self._channel.close()
        return 0

    def stop(self) -> None:
        """Leave after the step in hand, with a checkpoint; from any thread or a signal handler."""
        self._stop.set()
        if self._run is not None:
            self._run.stop()

    def _live(self, spec: run_pb2.RunSpec) -> None:
        from wafer_sim.run.life import Run

        self._board.phase("programming")
        self._run = Run(self._run_id, spec, self._executables, self._board)
        if self._stop.is_set():
            self._run.stop()
        self._server.add_generic_rpc_handlers((self._run.ingest.handler(),))
        self._server.start()
        self._run.live()

    def _spec(self, orders: Iterator[run_pb2.WaferOrder]) -> run_pb2.RunSpec:
        try:
            first = next(orders)
        except grpc.RpcError as error:
            raise raised(error, self._coordinator) from error
        if first.WhichOneof("order") != "start":
            raise Refused("the coordinator's first order is not a run")
        return first.start

    def _obey(self, orders: Iterator[run_pb2.WaferOrder]) -> None:
        try:
            for order in orders:
                self._take(order)
        except grpc.RpcError as error:
            log.info("the coordinator is gone: %s", raised(error, self._coordinator))
            self.stop()

    def _take(self, order: run_pb2.WaferOrder) -> None:
        match order.WhichOneof("order"):
            case "stop":
                self.stop()
            case "fail":
                self._verdict = fault_of(order.fail)
                if self._run is not None:
                    self._run.fail(self._verdict)
            case "seams":
                self._board.report(order.seams)
            case kind:
                raise Stopped(f"the coordinator gave an order that this version does not know: {kind}")


def _leave_at_eof(process: WaferProcess) -> None:
    while os.read(sys.stdin.fileno(), 4096):
        pass  # nobody writes; what counts is the end
    process.stop()


def main() -> int:
    """Parse the command line and live."""
    parser = argparse.ArgumentParser(prog="wafer_sim.wafer_process", description=__doc__.splitlines()[0])
    parser.add_argument("--coordinator", required=True)
    parser.add_argument("--run", required=True)
    parser.add_argument("--incarnation", type=int, required=True)
    parser.add_argument("--executables", type=Path, required=True)
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    process = WaferProcess(options.coordinator, options.run, options.incarnation, options.executables)

    def leave(_signum: int, _frame: FrameType | None) -> None:
        process.stop()

    signal.signal(signal.SIGTERM, leave)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_leave_at_eof, args=(process,), name="stdin", daemon=True).start()
    try:
        return process.main()
    except Fault as fault:
        print(fault.screen(), file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
