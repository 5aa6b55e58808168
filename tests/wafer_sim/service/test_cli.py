"""The command line: quick help, one clear screen per error, exit codes."""

import subprocess
import sys

import pytest

from wafer_sim import cli
from wire.v1 import coordinator_pb2, run_pb2


def run(*arguments):
    """A finished `wafer_sim` command."""
    command = (sys.executable, "-m", "wafer_sim.cli", *arguments)
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)


def test_help_imports_nothing_heavy():
    """Neither torch nor pyarrow nor grpc is needed to say what there is."""
    command = (sys.executable, "-X", "importtime", "-m", "wafer_sim.cli", "--help")
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    assert "serve" in done.stdout
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines()}
    assert "cyclopts" in imported
    assert not imported & {"torch", "pyarrow", "grpc", "numpy"}


def test_serving_needs_no_frameworks():
    """The whole service is imported without torch, and without pyarrow until a run is submitted."""
    code = "import sys, wafer_sim.service.server; print([m for m in ('torch', 'pyarrow') if m in sys.modules])"
    done = subprocess.run((sys.executable, "-c", code), capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout == "[]\n"


def test_an_unreachable_coordinator_is_one_clear_screen(unused_port):
    """What, and what to do; exit code 1; the stack only on request."""
    done = run("status", "--coordinator", f"localhost:{unused_port}")
    assert (done.returncode, done.stdout) == (1, "")
    assert f"nobody answers at localhost:{unused_port}" in done.stderr
    assert "wafer_sim serve" in done.stderr
    assert "Traceback" not in done.stderr
    done = run("status", "--coordinator", f"localhost:{unused_port}", "--traceback")
    assert done.returncode == 1
    assert "Traceback" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["serve", "--port", "70000"], "no port"),
        (["serve", "--tls-cert", "x.pem"], "both a certificate and a key"),
        (["serve", "--host", "0.0.0.0"], "TLS"),  # noqa: S104 - what is refused
        (["status", "--coordinator", "localhost:nine"], "no address"),
    ],
)
def test_wrong_options_are_said(capsys, tmp_path, monkeypatch, arguments, said):
    """Each in one screen, with exit code 1."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert cli.main(arguments) == 1
    assert said in capsys.readouterr().err


def test_an_interrupt_is_130(monkeypatch):
    """Ctrl-C in a command is no traceback."""

    def interrupted(*_args, **_options):
        raise KeyboardInterrupt

    monkeypatch.setattr("wafer_sim.service.screen.show", interrupted)
    assert cli.main(["status"]) == 130


def test_the_tables_show_what_a_person_asks(capsys, monkeypatch):
    """Steps, rates, AU, stall; hosts, positions and replicas of the running job; what failed."""
    progress = run_pb2.Progress(
        step=5, max_steps=10, recent_samples_per_second=61234, utilisation=0.97, stall_seconds=1.25
    )
    progress.streams.add(samples=640).next.sequence = 7
    spec = run_pb2.RunSpec(mode=run_pb2.MODE_TRAIN, model_dir="/m", data=run_pb2.DataPlan(streams=2, replicas=2))
    problem = run_pb2.Problem(what="the loss is not finite")
    runs = [
        coordinator_pb2.RunStatus(run_id="run-1", state="running", spec=spec, progress=progress, phase="training"),
        coordinator_pb2.RunStatus(run_id="run-2", state="queued", spec=spec, place=1),
        coordinator_pb2.RunStatus(run_id="run-0", state="failed", spec=spec, problem=problem),
    ]
    workers = [coordinator_pb2.WorkerStatus(name="host:5", streams=[0], shard=0, silent_seconds=0.4, late=[31, 7])]
    reply = coordinator_pb2.StatusReply(runs=runs, workers=workers)
    monkeypatch.setattr("wafer_sim.service.screen.ask", lambda _address: reply)
    monkeypatch.setenv("COLUMNS", "200")
    assert cli.main(["status"]) == 0
    text = capsys.readouterr().out
    for word in (
        "5/10",
        "61,234",
        "0.97",
        "1.2 s",
        "queued, 1 ahead",
        "training",
        "host:5",
        "31, 7",
        "batch 7",
        "nobody",
    ):
        assert word in text
    assert "run-0 failed: the loss is not finite" in text
