"""`wafer_sim serve`: the coordinator's process from its first word to its last."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from wafer_sim.coordinator.state import Limits
from wafer_sim.service.coordinator_servicer import CoordinatorServicer
from wafer_sim.service.hub import Hub
from wafer_sim.service.journal import Journal
from wafer_sim.service.runs_servicer import RunsServicer
from wafer_sim.service.state_dir import Claim, directory
from wafer_sim.service.supervisor import WAFER_PROGRAM, Supervisor
from wafer_sim.service.wafer_servicer import WaferServicer
from wire.admission import TOKEN_VARIABLE
from wire.channel import CA_VARIABLE, Security, is_loopback, seen_from, serve
from wire.metrics import ADDRESS, MetricsServer, serve_metrics
from wire.v1 import coordinator_pb2, coordinator_pb2_grpc, run_pb2, run_pb2_grpc

_log = logging.getLogger("wafer_sim")
_SPARE_THREADS = 112
_GOODBYE_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Settings:
    """How to serve. port 0: any free one. wafer_program: the command of a wafer process, before its options.

    wafer_memory: bytes that the wafer has for a run; 0: no bound. metrics_port: None: no metrics are served.
    """

    state_dir: Path
    host: str = "localhost"
    port: int = 9000
    security: Security = field(default_factory=Security)
    wafer_program: Sequence[str] = WAFER_PROGRAM
    limits: Limits = field(default_factory=Limits)
    wafer_memory: int = 0
    metrics_port: int | None = None


class Service:
    """A coordinator that accepts connections from `start` to `stop`. on_broken: see Hub.

    It goes on where the one before it in the same state directory was. Raises Exhausted, Refused or InvalidInput
    where it cannot.
    """

    def __init__(self, settings: Settings, on_broken: Callable[[], None] = lambda: None) -> None:
        with ExitStack() as held:
            claim = held.enter_context(closing(Claim(settings.state_dir)))
            executables = directory(settings.state_dir / "executables")
            # A thread for each worker's and follower's stream, and some for the short calls.
            threads = settings.limits.workers + _SPARE_THREADS
            self._server, port = serve(settings.host, settings.port, settings.security, threads)
            self.address = f"{settings.host}:{port}"
            claim.say(f"process {os.getpid()}, at {self.address}")
            journal = held.enter_context(closing(Journal(settings.state_dir)))
            near = seen_from(self.address, "localhost:0")
            program = (*settings.wafer_program, *_listening(settings), *_remembering(settings))
            supervisor = Supervisor(near, executables, _environment(settings.security), program)
            self.hub = Hub(supervisor, journal, settings.limits, on_broken=on_broken)
            self._metrics = _metrics(settings.metrics_port, self.hub, held)
            self._health = health.HealthServicer()
            _add_services(self._server, self.hub, executables, self._health)
            self._held = held.pop_all()

    @property
    def metrics_address(self) -> str:
        """Where metrics are served, "" where they are not."""
        return f"{ADDRESS}:{self._metrics.port}" if self._metrics is not None else ""

    def start(self) -> None:
        """Accept connections."""
        self.hub.start()
        self._server.start()
        self._health.set("", health_pb2.HealthCheckResponse.SERVING)

    def stop(self) -> None:
        """End within 5 s; nothing that was started is left."""
        self._health.enter_graceful_shutdown()
        self.hub.shut_down()
        self._server.stop(_GOODBYE_SECONDS).wait()
        self._held.close()


def serve_until_signal(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT; the first line on stdout says where, once connections are accepted.

    Raises Exhausted where the journal takes no more.
    """
    end = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: end.set())
    service = Service(settings, on_broken=end.set)
    service.start()
    sys.stdout.write(f"wafer_sim: coordinator at {service.address}, state in {settings.state_dir}\n")
    if service.metrics_address:
        sys.stdout.write(f"wafer_sim: metrics at http://{service.metrics_address}/metrics\n")
    sys.stdout.flush()
    end.wait()
    _log.info("shutting down")
    service.stop()
    if service.hub.broken is not None:
        raise service.hub.broken


def _add_services(server: grpc.Server, hub: Hub, executables: Path, health_servicer: health.HealthServicer) -> None:
    coordinator_pb2_grpc.add_CoordinatorServicer_to_server(CoordinatorServicer(hub), server)
    run_pb2_grpc.add_RunsServicer_to_server(RunsServicer(hub, executables), server)
    run_pb2_grpc.add_WaferServicer_to_server(WaferServicer(hub), server)
    health_pb2_grpc.add_HealthServicer_to_server(health_servicer, server)
    files = (coordinator_pb2.DESCRIPTOR, run_pb2.DESCRIPTOR)
    names = [service.full_name for file in files for service in file.services_by_name.values()]
    reflection.enable_server_reflection([*names, health.SERVICE_NAME, reflection.SERVICE_NAME], server)


def _metrics(port: int | None, hub: Hub, held: ExitStack) -> MetricsServer | None:
    """Metrics of the hub, until `held` is closed; none without a port."""
    if port is None:
        return None
    from wafer_sim.service.metrics import METRICS, samples

    return held.enter_context(closing(serve_metrics(port, METRICS, lambda: samples(hub.status()))))


def _listening(settings: Settings) -> tuple[str, ...]:
    """Options that make a wafer process take pushes where, and as safely as, the coordinator takes calls."""
    security = settings.security
    listen = () if is_loopback(settings.host) else ("--listen", settings.host)
    if security.certificate is None or security.key is None:
        return listen
    return (*listen, "--tls-cert", str(security.certificate), "--tls-key", str(security.key))


def _remembering(settings: Settings) -> tuple[str, ...]:
    return ("--memory", str(settings.wafer_memory)) if settings.wafer_memory else ()


def _environment(security: Security) -> dict[str, str]:
    """What a wafer process needs to be let in: the token, and whom to trust."""
    environment = dict(os.environ)
    if security.token:
        environment[TOKEN_VARIABLE] = security.token
    if security.certificate is not None:
        environment.setdefault(CA_VARIABLE, str(security.certificate))
    return environment
