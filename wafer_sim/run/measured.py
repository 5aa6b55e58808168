"""What a run's progress has of seams and processors."""

from __future__ import annotations

from dataclasses import dataclass

from wafer_sim.run.board import PROGRESS_SECONDS, Board
from wafer_sim.run.feed import Feed
from wafer_sim.run.lately import Lately
from wire.v1 import run_pb2


@dataclass(frozen=True, slots=True)
class Measured:
    """What the wafer's own seams measured, and how busy the machines of the run are."""

    seams: list[run_pb2.Seam]
    cores: list[run_pb2.Cores]

    def told(self, progress: run_pb2.Progress) -> None:
        """Say it in a message."""
        progress.seams.extend(self.seams)
        progress.cores.extend(self.cores)


def measured(feed: Feed, board: Board) -> Lately[Measured]:
    """Looked at as often as progress is due, and no more where a user wants to hear of every step."""
    return Lately(lambda: Measured(feed.seams(), board.machines.readings()), PROGRESS_SECONDS)
