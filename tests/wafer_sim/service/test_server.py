"""The process: it starts, says so, and ends with everything that it started."""

import json
import os
import signal
import subprocess
import sys
import time

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from wafer_sim.service.server import Service, Settings
from wire.channel import Security
from wire.errors import Exhausted, Refused, Stopped
from wire.status import raised

WORD = "open-sesame"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_serve_accepts_soon_and_ends_cleanly(launch, tmp_path, client_of, number):
    """`wafer_sim serve` answers within 2 s of its start, and leaves with code 0."""
    start = time.monotonic()
    process, address = launch("-m", "wafer_sim.cli", "serve", "--port", "0", "--state-dir", str(tmp_path / "s"))
    client_of(address).status()
    assert time.monotonic() - start < 2.0
    process.send_signal(number)
    assert process.wait(5.0) == 0


@pytest.mark.parametrize(("part", "last"), [("wait", "finished"), ("deaf", "failed")])
def test_a_signal_ends_service_and_wafer_within_five_seconds(launch, client_of, wafer_pid, wait_gone, part, last):
    """A wafer that listens saves and stops; one that does not is killed. Nobody is left, everybody is told."""
    process, address = launch()
    client = client_of(address)
    told = client.watch(client.register())
    events = client.follow(client.submit(part))
    pid = wafer_pid(events)
    start = time.monotonic()
    process.send_signal(signal.SIGTERM)
    *_, end = events
    assert end.WhichOneof("event") == last
    with pytest.raises(grpc.RpcError) as caught:
        list(told)
    assert isinstance(raised(caught.value, address), Stopped)
    assert process.wait(5.0) == 0
    assert time.monotonic() - start < 5.0
    wait_gone(pid, 0.0)


def test_the_wafer_does_not_outlive_a_killed_coordinator(launch, client_of, wafer_pid, wait_gone):
    """SIGKILL leaves no time for goodbyes: the pipe to the wafer's stdin closes all the same."""
    process, address = launch()
    client = client_of(address)
    pid = wafer_pid(client.follow(client.submit("wait")))
    process.kill()
    process.wait()
    wait_gone(pid, 5.0)


def test_a_port_in_use_is_one_clear_screen(launch, tmp_path):
    """No traceback, exit code 1, and what to do."""
    _, address = launch()
    command = ("-m", "wafer_sim.cli", "serve", "--state-dir", str(tmp_path), "--port", address.rpartition(":")[2])
    done = subprocess.run((sys.executable, *command), capture_output=True, text=True, timeout=20, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert "another process has it" in done.stderr
    assert "--port" in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) <= 3


def test_status_is_read_by_people_and_programs(serve, client_of, until):
    """The same run and worker, as tables and as JSON."""
    address = serve().address
    client = client_of(address)
    told = client.watch(client.register("host:77"))
    run_id = client.submit("wait")
    until(told, lambda assignment: assignment.streams)
    command = (sys.executable, "-m", "wafer_sim.cli", "status", "--coordinator", address)
    shown = subprocess.run((*command, "--json"), capture_output=True, text=True, timeout=20, check=True)
    reply = json.loads(shown.stdout)
    assert (reply["runs"][0]["run_id"], reply["runs"][0]["state"]) == (run_id, "running")
    assert (reply["workers"][0]["name"], reply["workers"][0]["streams"]) == ("host:77", [0, 1])
    environment = dict(os.environ, COLUMNS="200")
    table = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True, env=environment)
    assert run_id in table.stdout
    assert "host:77" in table.stdout


def test_a_wafer_program_that_cannot_start_fails_its_run(tmp_path, client_of):
    """A missing program is a failed run, not a run that hangs."""
    service = Service(Settings(tmp_path / "state", port=0, wafer_program=(str(tmp_path / "missing"),)))
    service.start()
    try:
        client = client_of(service.address)
        *_, last = client.follow(client.submit())
        assert "could not be started" in last.failed.where
    finally:
        service.stop()


def test_the_token_is_not_on_the_command_line(serve, client_of, wafer_pid):
    """It travels in the environment of the wafer process: everybody can read a command line."""
    client = client_of(serve(security=Security(token=WORD)).address, Security(token=WORD))
    pid = wafer_pid(client.follow(client.submit("wait")))
    with open(f"/proc/{pid}/cmdline") as file:  # noqa: PTH123 - a file of the kernel
        line = file.read()
    assert "fake_wafer" in line
    assert WORD not in line


def test_health_and_reflection_answer(client):
    """The standard health check says that the service serves."""
    reply = health_pb2_grpc.HealthStub(client.channel).Check(health_pb2.HealthCheckRequest(), timeout=5)
    assert reply.status == health_pb2.HealthCheckResponse.SERVING


def test_an_open_address_needs_tls(tmp_path):
    """Beyond loopback nothing is served without TLS and a token."""
    with pytest.raises(Refused, match="TLS"):
        Service(Settings(tmp_path, host="0.0.0.0", port=0))  # noqa: S104 - what is refused


def test_a_state_directory_that_cannot_be_made_is_said(tmp_path):
    """With its path, and the option that names another."""
    (tmp_path / "file").write_text("")
    with pytest.raises(Exhausted) as caught:
        Service(Settings(tmp_path / "file", port=0))
    assert "--state-dir" in caught.value.fix
