"""`wafer_sim top`: what it draws, that it goes on, and how it ends."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
from rich.console import Console
from rich.live import Live

from tests.wafer_sim.service.statuses import busy_status
from wafer_sim import cli
from wafer_sim.service.top import keys, show
from wafer_sim.service.top_screen import Trend, bar, spark, top_screen
from wire.errors import Unreachable
from wire.v1 import coordinator_pb2


def drawn(reply: coordinator_pb2.StatusReply, trend: Trend | None = None) -> str:
    console = Console(width=160, file=io.StringIO(), record=True)
    console.print(top_screen(reply, trend or Trend()))
    return console.export_text()


def test_once_writes_a_screen_and_ends(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The run, its rate, AU and stall, who is to blame and what would help; replicas, seams and workers."""
    monkeypatch.setattr("wafer_sim.service.top.ask", lambda _address: busy_status())
    monkeypatch.setenv("COLUMNS", "200")
    assert cli.main(["top", "--once"]) == 0
    text = capsys.readouterr().out
    for words in (
        "up 0:01:15",
        "jobs waiting: 1",
        "1,000 of 2,000",
        "640 samples/s, mean 600",
        "0.500",
        "4.0 s of 8.0 s",
        "prepare 3.0 s",
        "40% busy, 20% with this",
        "waited for prepare; about 4 workers would be enough",
        "(3: about 900 samples/s)",
        "host:1",
        "480",
        "prefetch",
        "merge",
        "229 / 229 / 229 ms",
    ):
        assert words in text, words


def test_an_idle_coordinator_is_a_screen_too() -> None:
    """It says that nobody has the wafer."""
    text = drawn(coordinator_pb2.StatusReply(up_seconds=5))
    assert "no job has the wafer" in text
    assert "workers: 0" in text


def test_a_run_that_waits_for_its_streams_says_so() -> None:
    """Before the first step there are no figures, but a phase."""
    run = coordinator_pb2.RunStatus(run_id="run-9", state="starting", phase="waiting for 4 streams")
    assert "waiting for 4 streams" in drawn(coordinator_pb2.StatusReply(runs=[run]))


def test_replicas_have_a_rate_from_the_second_look_on() -> None:
    """What their streams gave more, over the time between."""
    reply, trend = busy_status(), Trend()
    assert trend.follow(reply, 10.0).replicas == {}
    reply.runs[0].progress.streams[1].samples += 300
    assert trend.follow(reply, 12.0).replicas == {("run-1", "0"): 0.0, ("run-1", "1"): 150.0}
    assert "150" in drawn(reply, trend)
    assert trend.rates("run-1") == (640.0, 640.0)


def test_bars_are_as_long_as_their_share() -> None:
    """A share beyond all of it is all of it; the highest of some numbers is a full bar."""
    assert bar(0.5).plain.count("█") == 15
    assert bar(7.0).plain.count("█") == 30
    assert spark([1.0, 2.0, 0.0]) == "▄█ "
    assert spark([0.0]) == spark([]) == ""


def test_it_goes_on_over_a_silence_of_the_coordinator() -> None:
    """What is wrong is shown instead, and the next answer is drawn again; a key ends it."""
    answers: Iterator[coordinator_pb2.StatusReply | None] = iter([None, busy_status()])
    seen: list[str] = []
    console = Console(width=160, file=io.StringIO(), force_terminal=True)

    def look() -> coordinator_pb2.StatusReply:
        answer = next(answers)
        if answer is None:
            raise Unreachable("nobody answers at localhost:9000")
        return answer

    def leaves() -> bool:
        assert isinstance(console.file, io.StringIO)
        seen.append(console.file.getvalue())
        console.file.truncate(0)
        return len(seen) == 3

    with Live(console=console, auto_refresh=False) as live:
        show(live, coordinator_pb2.StatusReply(), Trend(), look, leaves)
    assert "no job has the wafer" in seen[0]
    assert "nobody answers" in seen[1]
    assert "run-1" in seen[2]


def test_q_leaves_and_the_terminal_is_as_before() -> None:
    """Other keys do not, and what is no terminal is waited out."""
    import pty
    import termios

    ours, theirs = pty.openpty()
    before = termios.tcgetattr(theirs)
    with os.fdopen(theirs, "r") as terminal:
        with keys(terminal) as quits:
            assert not quits(0.01)
            os.write(ours, b"x")
            assert not quits(0.05)
            os.write(ours, b"q")
            assert quits(10.0)
        assert termios.tcgetattr(terminal.fileno()) == before
    os.close(ours)
    with keys(io.StringIO()) as quits:
        assert not quits(0.01)


def test_an_interval_of_nothing_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """In one screen, before anybody is asked."""
    assert cli.main(["top", "--interval", "0"]) == 1
    assert "no interval" in capsys.readouterr().err


def test_looking_needs_no_heavy_modules() -> None:
    """Status and top start without pyarrow, numpy, matplotlib and torch."""
    heavy = "torch", "pyarrow", "numpy", "prometheus_client", "matplotlib"
    code = f"import sys, wafer_sim.service.top; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run((sys.executable, "-c", code), capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "[]\n"
