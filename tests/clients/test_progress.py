"""A run as it goes: log lines everywhere, a moving line on a terminal."""

from __future__ import annotations

import io
import logging

import pytest
from rich.console import Console

from clients.progress import LogLines, ProgressView
from wire.v1 import ingest_pb2, run_pb2


def progress(step: int) -> run_pb2.Progress:
    return run_pb2.Progress(
        step=step, max_steps=900, loss=0.5, samples_per_second=60_000.0, recent_samples_per_second=61_234.5
    )


def test_log_lines_have_the_form_of_csoft(caplog: pytest.LogCaptureFixture) -> None:
    """Every log_steps a line with device, step, loss and both rates; other steps say nothing."""
    with caplog.at_level("INFO"), ProgressView("train", 50, 256, console=Console(file=io.StringIO())) as view:
        for step in (49, 50, 51):
            view.progress(progress(step))
    assert caplog.messages == [
        "| Train Device=wafer:0, Step=50, Loss=0.50000, Rate=61234.50 samples/sec, GlobalRate=60000.00 samples/sec"
    ]


def test_a_terminal_has_one_moving_line_that_goes_away() -> None:
    """The line is drawn again at each progress and erased at the end; a file never gets it."""
    terminal, file = io.StringIO(), io.StringIO()
    for stream, is_terminal in ((terminal, True), (file, False)):
        with ProgressView("eval", 50, 256, console=Console(file=stream, force_terminal=is_terminal, width=100)) as view:
            view.progress(progress(7))
            view.progress(progress(8))
    assert "batch 8/900   loss 0.5000   61,234 samples/s" in terminal.getvalue()
    assert terminal.getvalue().endswith(("\x1b[2K", "\x1b[?25h"))
    assert file.getvalue() == ""


def test_what_happens_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Phases, the place in the queue and checkpoints are lines."""
    with caplog.at_level("INFO"), ProgressView("train", 50, 256, console=Console(file=io.StringIO())) as view:
        view.queued(1)
        view.phase("waiting for 4 streams")
        view.saved(run_pb2.Saved(step=700))
    assert caplog.messages == [
        "In the queue: 1 job ahead",
        "Waiting for 4 streams",
        "Saved checkpoint at global step: 700",
    ]


def test_skipped_steps_are_told_when_there_are_more(caplog: pytest.LogCaptureFixture) -> None:
    """Their number and the scale that is left, once for each new number."""
    with caplog.at_level("INFO"), ProgressView("train", 50, 256, console=Console(file=io.StringIO())) as view:
        for step, skipped in ((1, 0), (2, 1), (3, 1), (1_201, 4)):
            view.progress(run_pb2.Progress(step=step, skipped_steps=skipped, loss_scale=2.0**15 / 2**skipped))
    assert caplog.messages == [
        "Step 2: 1 step skipped by loss scaling so far; the loss scale is 16384",
        "Step 1,201: 4 steps skipped by loss scaling so far; the loss scale is 2048",
    ]


def test_bad_samples_are_listed_and_then_counted(caplog: pytest.LogCaptureFixture) -> None:
    """Ten in full; after that how many they are, each time the number doubles, and at the end."""
    with ProgressView("train", 50, 256, console=Console(file=io.StringIO())) as view:
        for step in range(1, 26):
            bad = [ingest_pb2.BadSample(row=step, why="cut off"), ingest_pb2.BadSample(row=step, where="f", why="bad")]
            view.passed(run_pb2.Passed(step=step, bad=bad))
    lines = caplog.messages
    assert lines[:2] == [
        "Step 1: passed over the sample at row 1: cut off",
        "Step 1: passed over the sample at f: bad",
    ]
    assert lines[10:] == [
        "Step 10: 20 bad samples were passed over so far",
        "Step 20: 40 bad samples were passed over so far",
        "Passed over 50 bad samples in all",
    ]


def test_a_late_stream_without_a_worker_says_so(caplog: pytest.LogCaptureFixture) -> None:
    """Nobody is blamed who does not host it."""
    with ProgressView("train", 50, 256, console=Console(file=io.StringIO())) as view:
        view.late(run_pb2.Late(stream=1, seconds=3.0))
    assert caplog.messages == ["Stream 1 was late by 3.0 s: no worker pushes it"]


def test_a_worker_that_is_gone_is_shown_with_its_last_lines(caplog: pytest.LogCaptureFixture) -> None:
    """Where it said nothing, only why."""
    with ProgressView("train", 50, 256, console=Console(file=io.StringIO())) as view:
        view.gone(run_pb2.WorkerGone(worker="h:1", why="its connection ended", lines=["one", "two"]))
        view.gone(run_pb2.WorkerGone(worker="h:2", why="it was silent"))
    assert caplog.messages == [
        "Worker h:1 is gone: its connection ended; the end of what it said:\n    one\n    two",
        "Worker h:2 is gone: it was silent",
    ]


def test_log_lines_follow_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    """A handler that was made earlier writes to what standard output is now."""
    handler = LogLines()
    handler.emit(logging.LogRecord("clients", logging.INFO, "", 0, "a line", None, None))
    assert capsys.readouterr().out == "a line\n"
