"""FC-MNIST's input side by side: ours and other systems, the same samples, one machine, alternating runs."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks import limits
from benchmarks.entrants import Service, contenders, our_entrant, peer_entrant
from benchmarks.measure import Result
from benchmarks.peers.process import MODULES, peers
from benchmarks.peers.table import figures
from benchmarks.peers.task import PIXELS, SCALE, Task
from benchmarks.service import coordinator
from clients.analysis.draining import Drain, Source
from streamer.recipe import Recipe
from wire.errors import InvalidInput, nearest

DATA = Path(__file__).parents[1] / "data" / "mnist" / "train"
DEFAULT_PEERS = ("tfdata", "tfdata_tuned", "torch", "grain")
ROUNDS = 5
SECONDS = 2.0
TRY_STEPS = 1000


def measure(
    against: Sequence[str] = DEFAULT_PEERS, count: int = ROUNDS, seconds: float = SECONDS, python: str = sys.executable
) -> Result:
    """Each system in a process of its own, each at the quickest of its settings. Raises InvalidInput, Fault."""
    require_known(against)
    task = Task(str(DATA))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with coordinator(folder) as (address, pid), peers(list(against), python, task, folder) as (there, notes):
            notes.append(f"Load at the start: {os.getloadavg()[0]:.1f}. {count} rounds, one warm-up each.")
            service, source = Service(address, pid, folder), Source.of(recipe_of(task))
            ours = [
                our_entrant(service, source, name, seconds, Drain(TRY_STEPS, tcp_only=tcp_only))
                for name, tcp_only in (("streamer, shared memory", False), ("streamer, TCP", True))
            ]
            theirs = [entrant for peer in there if (entrant := peer_entrant(peer, seconds, notes)) is not None]
            bounds = limits.measure_all(task)
            timed = contenders([*ours, *theirs], count)
    rows, refused = figures(timed[: len(ours)], timed[len(ours) :])
    notes.append(f"Load at the end: {os.getloadavg()[0]:.1f}.")
    command = f"streamer bench fc_mnist --against {','.join(against)}"
    return Result("fc_mnist", command, [*rows, *bounds], "\n".join(notes), refused=refused)


def require_known(names: Sequence[str]) -> None:
    """Raises InvalidInput for a peer that there is none of."""
    for name in names:
        if name not in MODULES:
            raise InvalidInput(f"there is no peer {name!r}", where="--against", fix=nearest(name, list(MODULES)))


def recipe_of(task: Task) -> Recipe:
    """The task as a recipe: what travels is uint8, what lands is scaled float32."""
    image = {"dtype": "uint8", "shape": [PIXELS], "scale": float(SCALE), "lands_as": "float32"}
    columns = {"image": image, "label": {"dtype": "int32", "shape": []}}
    section = {"format": "parquet", "data_dir": task.data, "columns": columns, "batch_size": task.batch_size}
    return Recipe.from_params(section | {"shuffle": True, "drop_last_batch": True}, "train_input")
