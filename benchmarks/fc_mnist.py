"""FC-MNIST's input side by side: ours and other systems, the same samples, one machine, alternating runs."""

from __future__ import annotations

import json
import os
import resource
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks import limits
from benchmarks.measure import Result
from benchmarks.peers.digest import Digest
from benchmarks.peers.process import MODULES, PeerProcess, peers
from benchmarks.peers.table import Contender, Timed, figures, rounds
from benchmarks.peers.task import PIXELS, SCALE, Task
from benchmarks.service import coordinator, digesting
from clients.analysis.draining import Drain, Source, drained
from streamer.recipe import Recipe
from wire.errors import Fault, InvalidInput, nearest

DATA = Path(__file__).parents[1] / "data" / "mnist" / "train"
DEFAULT_PEERS = ("tfdata", "tfdata_tuned", "torch", "grain")
ROUNDS = 5
SECONDS = 2.0
TRY_SECONDS = 0.7
TRY_STEPS = 1000
GOODBYE_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Entrant:
    """Who takes part: its name, what an epoch of it delivers, and one timed run of it."""

    name: str
    digest: Digest
    run: Callable[[], Timed]


@dataclass(frozen=True, slots=True)
class Drained:
    """A run of ours. cpu_seconds: of all processes that it started, their start included."""

    rate: float
    cpu_seconds: float


@dataclass(frozen=True, slots=True)
class Service:
    """Our own service: its address, its coordinator's process, and where runs may write."""

    address: str
    pid: int
    folder: Path

    def run(self, source: Source, drain: Drain) -> Drained:
        before = self._spent()
        rate = drained(self.address, Path(tempfile.mkdtemp(dir=self.folder)), source, drain).progress.samples_per_second
        psutil.wait_procs(psutil.Process(self.pid).children(), timeout=GOODBYE_SECONDS)
        return Drained(rate, self._spent() - before)

    def _spent(self) -> float:
        """CPU seconds so far: of the coordinator, the wafer processes that it saw end, and the workers that ended."""
        ended = resource.getrusage(resource.RUSAGE_CHILDREN)
        return float(sum(psutil.Process(self.pid).cpu_times()[:4]) + ended.ru_utime + ended.ru_stime)


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
            ours = [entrant(Service(address, pid, folder), task, seconds) for entrant in (_shared_memory, _tcp)]
            theirs = [entrant for peer in there if (entrant := _entrant(peer, seconds, notes)) is not None]
            bounds = limits.measure_all(task)
            runs = _runs([*ours, *theirs], count)
    contenders = [Contender(e.name, e.digest, found) for e, found in zip([*ours, *theirs], runs, strict=True)]
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


def _shared_memory(service: Service, task: Task, seconds: float) -> Entrant:
    return _our_entrant(service, task, seconds, "streamer, shared memory", tcp_only=False)


def _tcp(service: Service, task: Task, seconds: float) -> Entrant:
    return _our_entrant(service, task, seconds, "streamer, TCP", tcp_only=True)


def _our_entrant(service: Service, task: Task, seconds: float, name: str, *, tcp_only: bool) -> Entrant:
    source = Source.of(recipe_of(task))
    digest = _our_digest(Path(tempfile.mkdtemp(dir=service.folder)), source, tcp_only=tcp_only)
    short = service.run(source, Drain(TRY_STEPS, tcp_only=tcp_only))
    steps = TRY_STEPS + int(short.rate * seconds / source.batch_size)

    def run() -> Timed:
        done = service.run(source, Drain(steps, tcp_only=tcp_only))
        more = (steps - TRY_STEPS) * source.batch_size
        return Timed(done.rate, (done.cpu_seconds - short.cpu_seconds) / more * 1e6)

    return Entrant(name, digest, run)


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
        tried = {setting: peer.run(setting, TRY_SECONDS).rate for setting in peer.settings}
        best = max(tried, key=lambda setting: tried[setting])
        digest = peer.digest(best)
    except Fault as fault:
        notes.append(f"{fault}.")
        return None
    listed = ", ".join(f"{setting}: {rate:,.0f}" for setting, rate in tried.items())
    notes.append(f"{peer.name} ({peer.version}) in short runs, samples/s: {listed}.")
    return Entrant(f"{peer.name}, {best}", digest, lambda: peer.run(best, seconds))


def _runs(entrants: Sequence[Entrant], count: int) -> list[list[Timed]]:
    found: list[list[Timed]] = [[] for _ in entrants]
    for turns in rounds(count, len(entrants)):
        for turn in turns:
            found[turn].append(entrants[turn].run())
    return found
