"""The wafer process: holds one programmed executable for one run. The coordinator starts and supervises it.

    python -m wafer_sim.wafer_process --coordinator HOST:PORT --run ID --incarnation N --executables DIR

It leaves when its run has ended, when it is told to, on SIGTERM, or when its standard input closes (the coordinator
is gone): after the step in hand, with a checkpoint. How its run ended it tells the coordinator; its exit code is 1
only where it was given none although nobody told it to leave, or where another process still holds the model_dir.
"""

from __future__ import annotations

import argparse
import gc
import logging
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import grpc

from wafer_sim.durable import hold
from wafer_sim.run.board import Board
from wire.allocator import keep_freed_memory
from wire.channel import Security, connect, serve
from wire.cores import Cores, input_aside
from wire.errors import Fault, Refused, Stopped, Unreachable
from wire.leaving import leave_when_told
from wire.status import fault_of, raised
from wire.staying import leave_as_it_is, staying
from wire.v1 import run_pb2, run_pb2_grpc

if TYPE_CHECKING:
    from wafer_sim.run.life import Run

log = logging.getLogger("wafer_sim.wafer")

ORDER_SECONDS = 60.0
HOLD_SECONDS = 15.0
ATTEMPT_SECONDS = 0.5
GOODBYE_SECONDS = 5.0


class Orders(Protocol):
    """The coordinator's orders, as they come."""

    def __iter__(self) -> Orders: ...
    def __next__(self) -> run_pb2.WaferOrder: ...
    def cancel(self) -> object: ...


class StillHeld(Refused):
    """Another wafer process holds the model_dir and does not leave."""


class WaferProcess:
    """Attaches to the coordinator, runs what it is given, and says how it goes."""

    def __init__(  # noqa: PLR0913 - an option of the command line each
        self,
        coordinator: str,
        run_id: str,
        incarnation: int,
        executables: Path,
        *,
        listen: str = "localhost",
        security: Security | None = None,
        memory: int = 0,
    ) -> None:
        self._executables = executables
        self._memory = memory
        self._coordinator = coordinator
        known = security or Security.from_environment()
        self._server, port = serve(listen, 0, known, threads=4096)
        self._channel = connect(coordinator, known)
        attached = run_pb2.Attached(run_id=run_id, incarnation=incarnation, ingest_address=f"{listen}:{port}")
        self._board = Board(attached)
        self._run: Run | None = None
        self._stop = threading.Event()
        self._gave_up = threading.Event()
        self._verdict: Fault | None = None
        self._lock = threading.Lock()
        self._awaited: Orders | None = None

    def main(self) -> int:
        """The process's life; its exit code. Raises the Fault for which the coordinator gave it no run."""
        orders = run_pb2_grpc.WaferStub(self._channel).Attach(self._board.outgoing())
        obeying = threading.Thread(target=self._obey, args=(orders,), name="orders", daemon=True)
        try:
            spec = self._spec(orders)
            obeying.start()
            self._told(spec)
        except Stopped as stopped:
            if not self._stop.is_set():
                raise
            log.info("%s", stopped)
        finally:
            # What was said last is heard before the line ends, and the line's end is what ends the other thread.
            self._board.close()
            if obeying.is_alive():
                obeying.join(GOODBYE_SECONDS)
            self._server.stop(grace=None).wait(GOODBYE_SECONDS)
            self._channel.close()
        return 0

    def stop(self) -> None:
        """Leave after the step in hand, with a checkpoint; from any thread."""
        self._stop.set()
        with self._lock:
            awaited = self._awaited
        if awaited is not None:
            awaited.cancel()
        if self._run is not None:
            self._run.stop()

    def _told(self, spec: run_pb2.RunSpec) -> None:
        try:
            with self._alone(spec):
                self._live(spec)
        except Stopped as stopped:
            self._last_word(stopped)
        except StillHeld:
            raise  # no word about the run: the coordinator sees this process end and starts another one
        except Fault as fault:
            log.error("%s", fault)
            self._board.failed(self._verdict or fault)

    @contextmanager
    def _alone(self, spec: run_pb2.RunSpec) -> Iterator[None]:
        """Hold the model_dir while the run lives: a process of before may still be writing its last checkpoint."""
        with ExitStack() as held:
            if spec.mode == run_pb2.MODE_TRAIN:
                self._hold(Path(spec.model_dir), held)
            yield

    def _hold(self, model_dir: Path, held: ExitStack) -> None:
        """In short attempts, between which an order to leave is heard. Raises StillHeld, Stopped when so ordered."""
        until = time.monotonic() + HOLD_SECONDS
        while True:
            try:
                held.enter_context(hold(model_dir, ATTEMPT_SECONDS, self._wait_for_another))
                return
            except Refused as refused:
                if time.monotonic() >= until:
                    what = f"the wafer process before this one did not leave within {HOLD_SECONDS:g} s"
                    raise StillHeld(what, where=f"{refused.where}: {refused.what}", fix=refused.fix) from refused

    def _wait_for_another(self) -> None:
        self._board.phase("waiting for the wafer process before this one to leave")
        self._require_wanted()

    def _require_wanted(self) -> None:
        """Raises Stopped once it was told to leave, or that the run has failed."""
        if self._stop.is_set() or self._verdict is not None:
            raise Stopped("told to leave before the run was programmed")

    def _last_word(self, stopped: Stopped) -> None:
        log.info("%s", stopped)
        if self._verdict is not None:
            self._board.failed(self._verdict)
        else:
            self._board.finished(run_pb2.Finished(stopped=True))

    def _live(self, spec: run_pb2.RunSpec) -> None:
        self._board.phase("programming")
        with staying():
            from wafer_sim.run.life import Run

        self._require_wanted()
        self._run = Run(spec, self._executables, self._board, self._memory)
        # Orders that came while there was no run yet; those that come from here on find it.
        if self._verdict is not None:
            self._run.fail(self._verdict)
        if self._stop.is_set():
            self._run.stop()
        self._server.add_generic_rpc_handlers((self._run.ingest.handler(),))
        self._server.start()
        gc.collect()
        gc.freeze()  # what is here now stays; looking through all of torch again costs a step or two, each time
        # Only now, when the ingest has its threads: one that this thread starts from here on computes.
        with input_aside(Cores.here()) if spec.fabric == run_pb2.FABRIC_COMPUTE else nullcontext():
            self._run.live()

    def _spec(self, orders: Orders) -> run_pb2.RunSpec:
        self._await(orders)
        silent = threading.Timer(ORDER_SECONDS, self._give_up, (orders,))
        silent.daemon = True
        silent.start()
        try:
            first = next(orders, run_pb2.WaferOrder())
        except grpc.RpcError as error:
            raise self._no_run(error) from error
        finally:
            silent.cancel()
            self._await(None)
        if first.WhichOneof("order") != "start":
            raise Refused("the coordinator's first order is not a run")
        return first.start

    def _give_up(self, orders: Orders) -> None:
        self._gave_up.set()
        orders.cancel()

    def _no_run(self, error: grpc.RpcError) -> Fault:
        if self._stop.is_set():
            return Stopped("told to leave before there was a run")
        if self._gave_up.is_set():
            return Unreachable(f"the coordinator at {self._coordinator} gave no run within {ORDER_SECONDS:g} s")
        return raised(error, self._coordinator)

    def _await(self, call: Orders | None) -> None:
        """While a call is awaited `stop` cancels it."""
        with self._lock:
            self._awaited = call
        if call is not None and self._stop.is_set():
            call.cancel()

    def _obey(self, orders: Orders) -> None:
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
                self._fail(fault_of(order.fail))
            case "seams":
                self._board.report(order.seams)
            case kind:
                self._fail(Refused(f"the coordinator gave an order that has no meaning here: {kind or 'none'}"))

    def _fail(self, fault: Fault) -> None:
        self._verdict = fault
        if self._run is not None:
            self._run.fail(fault)


def main() -> int:
    """Parse the command line and live."""
    parser = argparse.ArgumentParser(prog="wafer_sim.wafer_process", description=__doc__.splitlines()[0])
    parser.add_argument("--coordinator", required=True)
    parser.add_argument("--run", required=True)
    parser.add_argument("--incarnation", type=int, required=True)
    parser.add_argument("--executables", type=Path, required=True)
    parser.add_argument("--listen", default="localhost")
    parser.add_argument("--memory", type=int, default=0, help="bytes that the wafer has; 0: no bound")
    parser.add_argument("--tls-cert", type=Path)
    parser.add_argument("--tls-key", type=Path)
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    security = Security.from_environment(options.tls_cert, options.tls_key)
    process = WaferProcess(
        options.coordinator,
        options.run,
        options.incarnation,
        options.executables,
        listen=options.listen,
        security=security,
        memory=options.memory,
    )

    leave_as_it_is()
    keep_freed_memory()
    leave_when_told(process.stop, (signal.SIGTERM,), at_eof=True)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        return process.main()
    except Fault as fault:
        print(fault.screen(), file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
