"""A real coordinator on a free port, with a wafer process that plays a part."""

from __future__ import annotations

import itertools
import json
import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

import wire
from wafer_sim.compiler.program import EVALUATE, Entry, Graph, Node, Program, Ref, Tensor
from wafer_sim.service.server import Service, Settings
from wire.channel import Security, connect
from wire.elements import ElementSpec, Field
from wire.schema import spec_to_bytes
from wire.v1 import coordinator_pb2, coordinator_pb2_grpc, run_pb2, run_pb2_grpc

FAKE = (sys.executable, str(Path(__file__).with_name("fake_wafer.py")))
ROOT = str(Path(wire.__file__).parents[1])
SECONDS = 20.0
MODEL_DIRS = (f"/tmp/model/{number}" for number in itertools.count())


def tiny_program(op="aten.sum.default"):
    """A program with one graph of one operation."""
    graph = Graph((Node(op, (Ref(0),), {}, (1,), "model.py:7"),), {"loss": Ref(1)})
    return Program((), (Tensor("image", (4,), "float32"),), {Entry(EVALUATE, 12): graph})


DRIVER = """
import logging, sys
from pathlib import Path
from wafer_sim.coordinator.state import Limits
from wafer_sim.service.server import Settings, serve_until_signal
from wire.errors import Fault
limits = Limits(lost_after_seconds=20.0)
try:
    serve_until_signal(Settings(Path(sys.argv[1]), port=int(sys.argv[2]), wafer_program=sys.argv[3:], limits=limits))
except Fault as fault:
    sys.exit(fault.screen())
"""


class Client:
    """Calls a service as workers, clients and people do."""

    def __init__(self, address, security=None):
        self.channel = connect(address, security or Security())
        self.coordinator = coordinator_pb2_grpc.CoordinatorStub(self.channel)
        self.runs = run_pb2_grpc.RunsStub(self.channel)
        self.wafer = run_pb2_grpc.WaferStub(self.channel)

    def compile(self, program=None, chunk=40):
        text = (program or tiny_program()).to_json().encode()
        chunks = (run_pb2.CompileRequest(program=text[at : at + chunk]) for at in range(0, len(text), chunk))
        return self.runs.Compile(chunks, timeout=SECONDS)

    def spec(self, part="finish", **changes):
        element = spec_to_bytes(ElementSpec((Field("image", "float32", (4,)),)))
        recipe = json.dumps({"part": part})
        data = {"streams": 2, "replicas": 1, "batch_size": 12, "element_spec": element, "recipe": recipe}
        spec = {
            "mode": run_pb2.MODE_EVAL,
            "fabric": run_pb2.FABRIC_COMPUTE,
            "model_dir": next(MODEL_DIRS),
            "executable": self.compile().executable,
            "data": run_pb2.DataPlan(**data),
        }
        return run_pb2.RunSpec(**(spec | changes))

    def submit(self, part="finish", **changes):
        spec = self.spec(part, **changes)
        return self.runs.Submit(run_pb2.SubmitRequest(spec=spec), timeout=SECONDS).run_id

    def follow(self, run_id, after=0, session=""):
        return self.runs.Follow(run_pb2.FollowRequest(run_id=run_id, after=after, candidate=session), timeout=SECONDS)

    def elect(self, job, candidate):
        return self.coordinator.Elect(coordinator_pb2.ElectRequest(job=job, candidate=candidate), timeout=SECONDS).chief

    def cancel(self, run_id):
        self.runs.Cancel(run_pb2.CancelRequest(run_id=run_id), timeout=SECONDS)

    def register(self, name="host:1", **options):
        return self.coordinator.Register(coordinator_pb2.RegisterRequest(name=name, **options), timeout=SECONDS)

    def watch(self, worker):
        request = coordinator_pb2.WatchRequest(worker_id=worker.worker_id, incarnation=worker.incarnation)
        return self.coordinator.Watch(request, timeout=SECONDS)

    def beat(self, worker, *seams):
        request = coordinator_pb2.HeartbeatRequest(
            worker_id=worker.worker_id, incarnation=worker.incarnation, seams=seams
        )
        return self.coordinator.Heartbeat(request, timeout=SECONDS)

    def status(self):
        return self.coordinator.Status(coordinator_pb2.StatusRequest(), timeout=SECONDS)


def first(events, wanted):
    """The first event for which `wanted` holds; the call's timeout bounds the wait."""
    return next(event for event in events if wanted(event))


@pytest.fixture(autouse=True)
def findable(monkeypatch):
    """Processes that a test starts find the packages, and no token of the environment."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join((ROOT, os.environ.get("PYTHONPATH", ""))))
    monkeypatch.setenv("GRPC_VERBOSITY", "NONE")
    monkeypatch.delenv("WAFER_SIM_TOKEN", raising=False)
    monkeypatch.delenv("WAFER_SIM_CA", raising=False)


@pytest.fixture
def serve(tmp_path):
    """Starts services; all are stopped at the end of the test."""
    services = []

    def start(state="state", **settings):
        service = Service(Settings(tmp_path / state, port=0, wafer_program=FAKE, **settings))
        service.start()
        services.append(service)
        return service

    yield start
    for service in services:
        service.stop()


@pytest.fixture
def launch(tmp_path):
    """Starts `wafer_sim serve`, or a service with the fake wafer; gives the process and its address."""
    processes = []

    def start(*command, port=0):
        command = command or ("-c", DRIVER, str(tmp_path / "state"), str(port), *FAKE)
        pipe = subprocess.PIPE
        process = subprocess.Popen((sys.executable, *command), stdout=pipe, stderr=pipe, text=True)
        processes.append(process)
        line = process.stdout.readline()
        found = re.fullmatch(r"wafer_sim: coordinator at (localhost:\d+), state in (\S+)\n", line)
        assert found, line or process.stderr.read()
        return process, found[1]

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def gone(pid):
    """Whether no process has this id, or only a dead one that nobody asked about."""
    try:
        with open(f"/proc/{pid}/stat") as file:  # noqa: PTH123 - a file of the kernel
            return file.read().rpartition(")")[2].split()[0] in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return True


@pytest.fixture
def wait_gone():
    """Polls until a process that is not our child is gone."""

    def wait(pid, seconds=5.0):
        end = time.monotonic() + seconds
        while not gone(pid):
            assert time.monotonic() < end, f"process {pid} is still there"
            os.sched_yield()

    return wait


@pytest.fixture
def wafer_pid(until):
    """Reads events up to the process id that the fake wafer says."""
    return lambda events: int(until(events, lambda event: event.phase.startswith("pid")).phase.split()[1])


@pytest.fixture
def client_of():
    """Makes clients of an address; their channels are closed at the end of the test."""
    clients = []

    def make(address, security=None):
        clients.append(Client(address, security))
        return clients[-1]

    yield make
    for client in clients:
        client.channel.close()


@pytest.fixture
def client(serve, client_of):
    """A client of a service that accepts connections."""
    return client_of(serve().address)


@pytest.fixture
def until():
    """Reads events up to the first that is wanted."""
    return first


@pytest.fixture
def program():
    """Makes a program of one operation."""
    return tiny_program


@pytest.fixture
def fake_wafer():
    """The command of the wafer process that plays a part."""
    return FAKE


@pytest.fixture
def unused_port():
    """A port that nobody listened at a moment ago."""
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        return probe.getsockname()[1]
