"""The disk under a model_dir: whole checkpoints, and the lock of the wafer process that writes them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tests.faults.simulation.check import require
from wafer_sim import ledger_file
from wafer_sim.ledger import Ledger, StreamPosition
from wire.errors import NotFound

if TYPE_CHECKING:
    from tests.faults.simulation.network import Process


@dataclass(frozen=True)
class Checkpoint:
    """What a run needs to go on after `step`: as one unit."""

    step: int
    weights: bytes
    ledger: Ledger

    def after(self, weights: bytes) -> Checkpoint:
        """The state one step later, with the same ledger."""
        return replace(self, step=self.step + 1, weights=weights)


@dataclass(frozen=True)
class _Written:
    """A checkpoint as it lies there: nothing of a living process is shared with it."""

    step: int
    weights: bytes
    positions: tuple[StreamPosition, ...]
    accounts: bytes
    run_id: str

    @classmethod
    def of(cls, checkpoint: Checkpoint, run_id: str = "") -> _Written:
        positions = tuple(checkpoint.ledger.positions.values())
        accounts = ledger_file.pack(checkpoint.ledger.accounts, positions)
        return cls(checkpoint.step, checkpoint.weights, positions, accounts, run_id)

    def read(self) -> Checkpoint:
        accounts, states = ledger_file.unpack(self.accounts)
        streams = (replace(position, loader_state=states.get(position.cursor.stream)) for position in self.positions)
        return Checkpoint(self.step, self.weights, Ledger(streams, accounts))


class Disk:
    """keep: how many checkpoints are kept; 0 keeps all. A write is whole or not at all: kill -9 cannot halve it."""

    def __init__(self, begun: Checkpoint, keep: int) -> None:
        self._keep = keep
        self._holder: Process | None = None
        self._kept: dict[int, _Written] = {begun.step: _Written.of(begun)}

    def lock(self, process: Process) -> bool:
        """Whether this process holds the model_dir now."""
        if self._holder is None or not self._holder.alive:
            self._holder = process
        return self._holder is process

    def unlock(self, process: Process) -> None:
        """A process is gone, and its lock with it."""
        if self._holder is process:
            self._holder = None

    def write(self, process: Process, checkpoint: Checkpoint, run_id: str) -> str:
        """Its path. The oldest beyond `keep` are removed, as wafer_sim.checkpoints.write does."""
        require(self._holder is process, f"{process.name} writes a model_dir that is not its own")
        self._kept[checkpoint.step] = _Written.of(checkpoint, run_id)
        for step in sorted(step for step in self._kept if step <= checkpoint.step)[: -self._keep] if self._keep else []:
            del self._kept[step]
        return f"checkpoint_{checkpoint.step}"

    def own(self, run_id: str) -> Checkpoint | None:
        """The newest checkpoint of a run, whether or not its coordinator ever heard of it."""
        mine = [step for step, kept in self._kept.items() if kept.run_id == run_id]
        return self._kept[max(mine)].read() if mine else None

    def read(self, path: str = "") -> Checkpoint:
        """The checkpoint at a path; "": the newest. Raises NotFound."""
        step = int(path.removeprefix("checkpoint_")) if path else max(self._kept)
        if step not in self._kept:
            raise NotFound("this is no checkpoint", where=path)
        return self._kept[step].read()
