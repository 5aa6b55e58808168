"""Who takes part in a comparison: our service over any source, and the peers; each timed in turn."""

from __future__ import annotations

import json
import resource
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import psutil

from benchmarks.peers.digest import Digest
from benchmarks.peers.process import PeerProcess
from benchmarks.peers.table import Contender, Timed, rounds
from benchmarks.service import coordinator, digesting
from clients.analysis.draining import Drain, Source, drained
from wire.errors import Fault

TRY_SECONDS = 0.7
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


def our_entrant(service: Service, source: Source, name: str, seconds: float, how: Drain) -> Entrant:
    """Our service at a source, for so many seconds a run. how: its steps are those of a short run, made before."""
    digest = _our_digest(Path(tempfile.mkdtemp(dir=service.folder)), source, how)
    short = service.run(source, how)
    steps = how.steps + int(short.rate * seconds / source.batch_size)

    def run() -> Timed:
        done = service.run(source, replace(how, steps=steps))
        more = (steps - how.steps) * source.batch_size
        return Timed(done.rate, (done.cpu_seconds - short.cpu_seconds) / more * 1e6)

    return Entrant(name, digest, run)


def _our_digest(folder: Path, source: Source, how: Drain) -> Digest:
    """Of one epoch, taken where the replica takes it."""
    target = folder / "digest.json"
    steps = (source.rows or 0) // source.batch_size
    with coordinator(folder, digesting(folder / "state", target)) as (address, _):
        drained(address, folder / "run", source, replace(how, steps=steps))
    return Digest(**json.loads(target.read_text()))


def peer_entrant(peer: PeerProcess, seconds: float, notes: list[str]) -> Entrant | None:
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


def contenders(entrants: Sequence[Entrant], count: int) -> list[Contender]:
    """All of them, timed in so many rounds that begin with another one each."""
    found: list[list[Timed]] = [[] for _ in entrants]
    for turns in rounds(count, len(entrants)):
        for turn in turns:
            found[turn].append(entrants[turn].run())
    return [Contender(e.name, e.digest, timed) for e, timed in zip(entrants, found, strict=True)]
