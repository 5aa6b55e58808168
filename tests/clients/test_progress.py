"""A run as it goes: log lines everywhere, a moving line on a terminal."""

from __future__ import annotations

import io
import logging

import pytest
from rich.console import Console

from clients.progress import LogLines, ProgressView
from wire.v1 import run_pb2


def progress(step: int) -> run_pb2.Progress:
    return run_pb2.Progress(
        step=step, max_steps=900, loss=0.5, samples_per_second=60_000.0, recent_samples_per_second=61_234.5
    )


def test_log_lines_have_the_form_of_csoft(caplog: pytest.LogCaptureFixture) -> None:
    """Every log_steps a line with device, step, loss and both rates; other steps say nothing."""
    with caplog.at_level("INFO"), ProgressView("train", "wafer:0", 50, Console(file=io.StringIO())) as view:
        for step in (49, 50, 51):
            view.progress(progress(step))
    assert caplog.messages == [
        "| Train Device=wafer:0, Step=50, Loss=0.50000, Rate=61234.50 samples/sec, GlobalRate=60000.00 samples/sec"
    ]


def test_a_terminal_has_one_moving_line_that_goes_away() -> None:
    """The line is drawn again at each progress and erased at the end; a file never gets it."""
    terminal, file = io.StringIO(), io.StringIO()
    for stream, is_terminal in ((terminal, True), (file, False)):
        with ProgressView("eval", "wafer:0", 50, Console(file=stream, force_terminal=is_terminal, width=100)) as view:
            view.progress(progress(7))
            view.progress(progress(8))
    assert "batch 8/900   loss 0.5000   61,234 samples/s" in terminal.getvalue()
    assert terminal.getvalue().endswith(("\x1b[2K", "\x1b[?25h"))
    assert file.getvalue() == ""


def test_what_happens_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Phases, the place in the queue and checkpoints are lines."""
    with caplog.at_level("INFO"), ProgressView("train", "wafer:0", 50, Console(file=io.StringIO())) as view:
        view.queued(1)
        view.phase("waiting for 4 streams")
        view.saved(700)
    assert caplog.messages == [
        "In the queue: 1 job ahead",
        "Waiting for 4 streams",
        "Saved checkpoint at global step: 700",
    ]


def test_log_lines_follow_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    """A handler that was made earlier writes to what standard output is now."""
    handler = LogLines()
    handler.emit(logging.LogRecord("clients", logging.INFO, "", 0, "a line", None, None))
    assert capsys.readouterr().out == "a line\n"
