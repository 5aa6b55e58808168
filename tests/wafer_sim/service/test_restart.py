"""What a coordinator that was killed leaves to the next one in its state directory; chiefs that are killed."""

import os
import signal
import subprocess
import sys
import time

import grpc
import pytest

from wire.errors import NotFound, Refused
from wire.status import raised
from wire.v1 import run_pb2

SECONDS = 20.0


def fault(call):
    """The Fault with which a call ends."""
    with pytest.raises(grpc.RpcError) as caught:
        call()
    return raised(caught.value, "here")


def port_of(address):
    return int(address.rpartition(":")[2])


def kill(process):
    process.kill()
    process.wait()


def eventually(holds):
    """Polls until it holds."""
    end = time.monotonic() + SECONDS
    while not holds():
        assert time.monotonic() < end
        os.sched_yield()


def says(process, words):
    """Reads what a process says up to a line with these words."""
    for line in process.stderr:
        if words in line:
            return
    raise AssertionError(f"it ended with {process.wait()} and never said {words!r}")


@pytest.fixture
def worker():
    """Starts `streamer worker` for a stream that no run here has, so that it only waits."""
    processes = []

    def start(address):
        command = (sys.executable, "-m", "streamer.cli", "worker", "--coordinator", address, "--shard", "7")
        processes.append(subprocess.Popen(command, stderr=subprocess.PIPE, text=True))
        return processes[-1]

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def test_runs_go_on_at_the_next_coordinator(launch, client_of, wafer_pid, wait_gone, until):
    """The one that had the wafer has it again, in a new process; the queued one is still queued, with its spec."""
    process, address = launch()
    client = client_of(address)
    first = client.submit("wait")
    events = client.follow(first)
    old = wafer_pid(events)
    second = client.submit("finish", max_steps=77)
    kill(process)
    wait_gone(old)
    launch(port=port_of(address))
    again = client_of(address)
    told = again.follow(first)
    assert "the coordinator was started again" in until(told, lambda event: event.phase).phase
    assert wafer_pid(told) != old
    states = {run.run_id: (run.state, run.place, run.spec.max_steps) for run in again.status().runs}
    assert states == {first: ("running", 0, 0), second: ("queued", 1, 77)}
    again.cancel(first)
    assert until(again.follow(second), lambda event: event.HasField("finished"))


def test_numbers_of_the_next_coordinator_are_above_those_before(launch, client_of, until):
    """Events after the last one known are the new ones; words of workers that the old one knew are refused."""
    process, address = launch()
    client = client_of(address)
    worker = client.register()
    run_id = client.submit("wait")
    last = until(client.follow(run_id), lambda event: event.phase.startswith("pid"))
    kill(process)
    launch(port=port_of(address))
    again = client_of(address)
    assert next(again.follow(run_id, after=last.number)).number > last.number
    assert isinstance(fault(lambda: again.beat(worker)), Refused)
    assert again.register().incarnation > worker.incarnation


def test_what_has_ended_is_remembered_once(launch, client_of):
    """A finished run is not run again; its end is still told, also after an orderly shutdown."""
    process, address = launch()
    client = client_of(address)
    run_id = client.submit("finish")
    end = list(client.follow(run_id))[-1]
    process.send_signal(signal.SIGTERM)
    assert process.wait(SECONDS) == 0
    launch(port=port_of(address))
    again = client_of(address)
    assert list(again.follow(run_id))[-1] == end
    assert [run.state for run in again.status().runs] == ["finished"]


def test_a_worker_registers_again_by_itself(launch, client_of, worker):
    """The same process, at a coordinator that was killed and started again; a signal still ends it at once."""
    process, address = launch()
    mine = worker(address)
    says(mine, "registered at")
    kill(process)
    launch(port=port_of(address))
    again = client_of(address)
    eventually(lambda: [w.name.endswith(f":{mine.pid}") for w in again.status().workers] == [True])
    mine.send_signal(signal.SIGTERM)
    assert mine.wait(5.0) == 0
    said = mine.stderr.read()
    assert said.count("is gone; hosting nothing") == 1
    assert "Traceback" not in said


def test_a_worker_that_waits_for_its_coordinator_ends_at_a_signal(launch, client_of, worker):
    """Whoever stops it does not have to wait for its patience."""
    process, address = launch()
    mine = worker(address)
    says(mine, "registered at")
    kill(process)
    says(mine, "is gone")
    mine.send_signal(signal.SIGTERM)
    assert mine.wait(5.0) == 0


def test_a_frozen_worker_registers_again_when_it_wakes(serve, client_of, worker):
    """It was given up meanwhile; it is told so, and stands by anew."""
    address = serve().address
    mine = worker(address)
    client = client_of(address)
    eventually(lambda: client.status().workers)
    before = client.status().workers[0].worker_id
    mine.send_signal(signal.SIGSTOP)
    eventually(lambda: not client.status().workers)
    mine.send_signal(signal.SIGCONT)
    eventually(lambda: [w.worker_id != before for w in client.status().workers] == [True])
    assert mine.poll() is None


def test_two_coordinators_do_not_share_a_state_directory(launch, tmp_path):
    """The second one says in one screen who has it, and what to do; the first one is not disturbed."""
    process, address = launch()
    command = (sys.executable, "-m", "wafer_sim.cli", "serve", "--port", "0", "--state-dir", str(tmp_path / "state"))
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert f"another coordinator has this state directory (process {process.pid}, at {address})" in done.stderr
    assert "--state-dir" in done.stderr
    assert "Traceback" not in done.stderr
    kill(process)
    launch()


def test_a_damaged_journal_is_one_clear_screen(launch, client_of, tmp_path):
    """The file is named; nothing is served, and nothing begins from nothing."""
    process, _ = launch()
    kill(process)
    path = tmp_path / "state" / "coordinator.db"
    path.write_bytes(b"no database" * 500)
    command = (sys.executable, "-m", "wafer_sim.cli", "serve", "--port", "0", "--state-dir", str(tmp_path / "state"))
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert str(path) in done.stderr
    assert "Traceback" not in done.stderr
    assert path.read_bytes() == b"no database" * 500


def test_a_run_whose_chief_was_killed_is_attached_to(client, until):
    """While its chief follows nobody else is elected; once its call breaks off the next candidate takes the run."""
    job = "/tmp/job"
    assert client.elect(job, "one") == "one"
    run_id = client.submit("wait", model_dir=job, session="one")
    events = client.follow(run_id, session="one")
    until(events, lambda event: event.phase.startswith("pid"))
    assert client.elect(job, "two") == "one"
    events.cancel()
    eventually(lambda: client.elect(job, "two") == "two")
    spec = client.spec("wait", model_dir=job, session="two")
    reply = client.runs.Submit(run_pb2.SubmitRequest(spec=spec), timeout=SECONDS)
    assert (reply.run_id, reply.attached) == (run_id, True)
    other = client.spec("wait", model_dir=job, session="two", max_steps=9)
    assert "max_steps" in fault(lambda: client.runs.Submit(run_pb2.SubmitRequest(spec=other))).what


def test_somebody_elses_follow_makes_no_chief(client, until):
    """Those who only look on may come and go."""
    job = "/tmp/other-job"
    client.elect(job, "one")
    run_id = client.submit("wait", model_dir=job, session="one")
    mine = client.follow(run_id, session="one")
    until(mine, lambda event: event.phase.startswith("pid"))
    for session in ("", "two"):
        events = client.follow(run_id, session=session)
        next(events)
        events.cancel()
    with pytest.raises(grpc.RpcError):
        list(client.follow("run-x", session="one"))
    assert isinstance(fault(lambda: list(client.follow("run-x"))), NotFound)
    assert client.elect(job, "two") == "one"
