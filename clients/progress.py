"""A run as it goes: plain log lines, and on a terminal one moving line below them."""

from __future__ import annotations

import logging
import math
import sys
from types import TracebackType

from rich.console import Console
from rich.live import Live
from rich.text import Text

from clients.wording import PYTORCH, Wording
from wire.v1 import ingest_pb2, run_pb2

log = logging.getLogger("clients")

PASSED_LINES = 10
"""Samples that were passed over are listed up to this many; after that only their number, each time it doubles."""


class LogLines(logging.Handler):
    """Log lines on standard output, whatever that is at the time: a moving line puts its own in place."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            sys.stdout.write(self.format(record) + "\n")
            sys.stdout.flush()
        except Exception:  # noqa: BLE001 - logging says by itself what became of a line
            self.handleError(record)


class ProgressView:
    """Shows events, in the words of a framework. batch_size: samples of a whole step.

    The moving line is on `console`, by default standard error; log lines that go to the same terminal scroll above it.
    """

    def __init__(
        self,
        mode: str,
        log_steps: int,
        batch_size: int,
        wording: Wording = PYTORCH,
        console: Console | None = None,
    ) -> None:
        self._mode = mode
        self._batch_size = batch_size
        self._wording, self._words = wording, logging.getLogger(wording.logger)
        self._log_steps = max(1, log_steps)
        console = console or Console(stderr=True)
        shared = sys.stdout.isatty()
        self._live = Live(console=console, auto_refresh=False, transient=True, redirect_stdout=shared)
        self._moving = console.is_terminal
        self._passed, self._told = 0, 0
        self._skipped = 0

    def __enter__(self) -> ProgressView:
        if self._moving:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._moving:
            self._live.stop()
        if self._passed > self._told:
            log.warning("Passed over %s bad samples in all", f"{self._passed:,}")

    def phase(self, text: str) -> None:
        log.info("%s", text[:1].upper() + text[1:])

    def queued(self, place: int) -> None:
        log.info("In the queue: %d job%s ahead", place, "s" if place != 1 else "")

    def saved(self, saved: run_pb2.Saved) -> None:
        self._words.info("%s", self._wording.saved(saved.step, saved.path))

    def late(self, late: run_pb2.Late) -> None:
        who = f"worker {late.worker}" if late.worker else "no worker pushes it"
        log.warning("Stream %d was late by %.1f s: %s", late.stream, late.seconds, who)

    def gone(self, gone: run_pb2.WorkerGone) -> None:
        said = "; the end of what it said:\n    " + "\n    ".join(gone.lines) if gone.lines else ""
        log.warning("Worker %s is gone: %s%s", gone.worker, gone.why, said)

    def passed(self, passed: run_pb2.Passed) -> None:
        """The first samples that were passed over, one line each; then how many they are."""
        for bad in passed.bad:
            self._passed += 1
            if self._passed <= PASSED_LINES:
                log.warning("Step %s: passed over the sample at %s: %s", f"{passed.step:,}", _place(bad), bad.why)
                self._told = self._passed
        if self._passed >= 2 * self._told:
            self._told = self._passed
            log.warning("Step %s: %s bad samples were passed over so far", f"{passed.step:,}", f"{self._passed:,}")

    def progress(self, progress: run_pb2.Progress) -> None:
        if progress.skipped_steps > self._skipped:
            self._skipped = progress.skipped_steps
            skipped = f"{self._skipped:,} step{'s' if self._skipped != 1 else ''}"
            words = "Step %s: %s skipped by loss scaling so far; the loss scale is %g"
            log.info(words, f"{progress.step:,}", skipped, progress.loss_scale)
        if progress.step % self._log_steps == 0:
            self._words.info("%s", self._wording.progress(self._mode, progress, self._batch_size))
        if self._moving:
            line = Text(_line(self._mode, progress), no_wrap=True, overflow="ellipsis", style="bold")
            self._live.update(line, refresh=True)


def _place(bad: ingest_pb2.BadSample) -> str:
    return bad.where or f"row {bad.row:,}"


def _line(mode: str, progress: run_pb2.Progress) -> str:
    steps = "batch" if mode == "eval" else "step"
    total = f"/{progress.max_steps:,}" if progress.max_steps else ""
    loss = f"loss {progress.loss:.4f}   " if math.isfinite(progress.loss) else ""
    return (
        f"{steps} {progress.step:,}{total}   {loss}{progress.recent_samples_per_second:,.0f} samples/s   "
        f"AU {progress.utilisation:.2f}   stall {progress.stall_seconds:.1f} s"
    )
