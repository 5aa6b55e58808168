"""FC-MNIST's input side by side: ours and other systems, the same samples, one machine, alternating runs."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import limits
from benchmarks.draining import Drain, Source, drained
from benchmarks.measure import Result
from benchmarks.peers.digest import Digest
from benchmarks.peers.process import MODULES, PeerProcess, peers
from benchmarks.peers.table import Contender, figures, rounds
from benchmarks.peers.task import PIXELS, SCALE, Task
from benchmarks.service import coordinator, digesting
from streamer.recipe import Recipe
from wire.errors import Fault, InvalidInput, nearest

DATA = Path(__file__).parents[1] / "data" / "mnist" / "train"
DEFAULT_PEERS = ("tfdata", "tfdata_tuned", "torch", "grain")
ROUNDS = 5
SECONDS = 2.0
TRY_SECONDS = 0.7
TRY_STEPS = 2000


@dataclass(frozen=True, slots=True)
class Entrant:
    """Who takes part: its name, what an epoch of it delivers, and one timed run of it."""

    name: str
    digest: Digest
    run: Callable[[], float]


def measure(
    against: Sequence[str] = DEFAULT_PEERS, count: int = ROUNDS, seconds: float = SECONDS, python: str = sys.executable
) -> Result:
    """Each system in a process of its own, each at the quickest of its settings. Raises InvalidInput, Fault."""
    require_known(against)
    task = Task(str(DATA))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with coordinator(folder) as (address, _), peers(list(against), python, task, folder) as (there, notes):
            notes.append(f"Load at the start: {os.getloadavg()[0]:.1f}. {count} rounds, one warm-up each.")
            ours = _ours(address, folder, task, seconds)
            theirs = [entrant for peer in there if (entrant := _entrant(peer, seconds, notes)) is not None]
            bounds = limits.measure_all(task)
            rates = _rates([*ours, *theirs], count)
    contenders = [Contender(e.name, e.digest, found) for e, found in zip([*ours, *theirs], rates, strict=True)]
    rows, refused = figures(contenders[: len(ours)], contenders[len(ours) :])
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


def _ours(address: str, folder: Path, task: Task, seconds: float) -> list[Entrant]:
    source = Source.of(recipe_of(task))
    return [
        _our_entrant(address, folder, source, seconds, name, tcp_only=tcp_only)
        for name, tcp_only in (("streamer, shared memory", False), ("streamer, TCP", True))
    ]


def _our_entrant(  # noqa: PLR0913 - what is run, where, and how
    address: str, folder: Path, source: Source, seconds: float, name: str, *, tcp_only: bool
) -> Entrant:
    def rate(steps: int) -> float:
        model_dir = Path(tempfile.mkdtemp(dir=folder))
        return drained(address, model_dir, source, Drain(steps, tcp_only=tcp_only)).progress.samples_per_second

    digest = _our_digest(Path(tempfile.mkdtemp(dir=folder)), source, tcp_only=tcp_only)
    steps = int(rate(TRY_STEPS) * seconds / source.batch_size)
    return Entrant(name, digest, lambda: rate(steps))


def _our_digest(folder: Path, source: Source, *, tcp_only: bool) -> Digest:
    """Of one epoch, taken where the replica takes it."""
    target = folder / "digest.json"
    steps = (source.rows or 0) // source.batch_size
    with coordinator(folder, digesting(folder / "state", target)) as (address, _):
        drained(address, folder / "run", source, Drain(steps, tcp_only=tcp_only))
    return Digest(**json.loads(target.read_text()))


def _entrant(peer: PeerProcess, seconds: float, notes: list[str]) -> Entrant | None:
    """A peer at the setting that was quickest in a short run; None, and a note, where it fails."""
    try:
        tried = {setting: peer.rate(setting, TRY_SECONDS) for setting in peer.settings}
        best = max(tried, key=lambda setting: tried[setting])
        digest = peer.digest(best)
    except Fault as fault:
        notes.append(f"{fault}.")
        return None
    listed = ", ".join(f"{setting}: {rate:,.0f}" for setting, rate in tried.items())
    notes.append(f"{peer.name} ({peer.version}) in short runs, samples/s: {listed}.")
    return Entrant(f"{peer.name}, {best}", digest, lambda: peer.rate(best, seconds))


def _rates(entrants: Sequence[Entrant], count: int) -> list[list[float]]:
    found: list[list[float]] = [[] for _ in entrants]
    for turns in rounds(count, len(entrants)):
        for turn in turns:
            found[turn].append(entrants[turn].run())
    return found
