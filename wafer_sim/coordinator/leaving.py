"""The bounded wait for a wafer process that has to leave."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from wafer_sim.coordinator import instructions as do

_DONE = float("inf")


@dataclass(slots=True)
class Leaving:
    """When patience with a wafer process ends. None: it need not leave; for ever: the signal was sent."""

    terminate_at: float | None = None
    kill_at: float | None = None

    @property
    def awaited(self) -> bool:
        return self.terminate_at is not None

    def expect(self, terminate_at: float, grace: float) -> None:
        """It has to be gone at this time, or gets SIGTERM, and `grace` seconds later SIGKILL."""
        self.terminate_at, self.kill_at = terminate_at, terminate_at + grace

    def over(self) -> None:
        """It is gone."""
        self.terminate_at = self.kill_at = None

    def due(self, run_id: str, now: float) -> Iterator[do.Instruction]:
        """SIGTERM, then SIGKILL, each once, when their time has come."""
        if self.terminate_at is not None and now >= self.terminate_at:
            self.terminate_at = _DONE
            yield do.TerminateWafer(run_id)
        if self.kill_at is not None and now >= self.kill_at:
            self.kill_at = _DONE
            yield do.KillWafer(run_id)
