"""A run as it goes: one moving line on a terminal, plain log lines elsewhere."""

from __future__ import annotations

import logging
import math
from types import TracebackType

from rich.console import Console
from rich.live import Live
from rich.text import Text

from wire.v1 import run_pb2

log = logging.getLogger("clients")


class ProgressView:
    """Shows events. `device` names the wafer in the log lines, which have the form that CSoft's have."""

    def __init__(self, mode: str, device: str, log_steps: int, console: Console | None = None) -> None:
        self._mode = mode.capitalize()
        self._device = device
        self._log_steps = max(1, log_steps)
        self._console = console or Console(stderr=True)
        self._live = Live(console=self._console, refresh_per_second=8, transient=True)

    def __enter__(self) -> ProgressView:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._console.is_terminal:
            self._live.stop()

    def phase(self, text: str) -> None:
        self._say(text)

    def queued(self, place: int) -> None:
        self._say(f"in the queue: {place} job{'s' if place != 1 else ''} ahead")

    def saved(self, step: int) -> None:
        self._say(f"Saved checkpoint at global step: {step}")

    def progress(self, progress: run_pb2.Progress) -> None:
        if self._console.is_terminal:
            self._live.update(Text(_line(progress), no_wrap=True, overflow="ellipsis"))
        if progress.step % self._log_steps == 0:
            self._say(self._csoft(progress))

    def _csoft(self, progress: run_pb2.Progress) -> str:
        loss = f"Loss={progress.loss:.5f}, " if math.isfinite(progress.loss) else ""
        return (
            f"| {self._mode} Device={self._device}, Step={progress.step}, {loss}"
            f"Rate={progress.recent_samples_per_second:.2f} samples/sec, "
            f"GlobalRate={progress.samples_per_second:.2f} samples/sec"
        )

    def _say(self, text: str) -> None:
        if self._console.is_terminal:
            self._live.console.print(text, highlight=False)
        else:
            log.info("%s", text)


def _line(progress: run_pb2.Progress) -> str:
    total = f"/{progress.max_steps:,}" if progress.max_steps else ""
    loss = f"loss {progress.loss:.4f}  " if math.isfinite(progress.loss) else ""
    return (
        f"step {progress.step:,}{total}  {loss}{progress.recent_samples_per_second:,.0f} samples/s  "
        f"AU {progress.utilisation:.2f}  stall {progress.stall_seconds:.1f} s"
    )
