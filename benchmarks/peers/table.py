"""Side by side: who delivered what, how fast, and the ratios; none where the samples were not the same. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.measure import Figure
from benchmarks.peers.digest import Digest
from wire.errors import Refused


@dataclass(frozen=True, slots=True)
class Timed:
    """One run: samples a second, and microseconds of CPU that all processes together spent on a sample."""

    rate: float
    cpu: float


@dataclass(frozen=True, slots=True)
class Contender:
    """One system in one comparison. digest: of an epoch. runs: round by round."""

    name: str
    digest: Digest
    runs: Sequence[Timed]

    @property
    def rates(self) -> list[float]:
        return [run.rate for run in self.runs]


TARGETS = {"tfdata": 2.0, "torch": 5.0, "tfdata_service": 5.0}
"""What the quickest of ours must be times each of these peers."""


def ratios(ours: Contender, peer: Contender) -> list[float]:
    """Ours over theirs, round by round. Raises Refused where the two did not deliver the same samples."""
    if ours.digest != peer.digest:
        raise Refused(
            f"no ratio of {ours.name} to {peer.name}: they did not deliver the same samples "
            f"({ours.digest} against {peer.digest})"
        )
    return [mine / theirs for mine, theirs in zip(ours.rates, peer.rates, strict=True)]


def figures(
    ours: Sequence[Contender], others: Sequence[Contender], targets: Mapping[str, float] = TARGETS
) -> tuple[list[Figure], list[str]]:
    """The rates of all, the ratios of each of ours to each peer, and a sentence for every ratio that is refused.

    The first of ours is the one that targets are set for. targets: of peers, by their names up to a comma.
    """
    found = [Figure(contender.name, "samples/s", contender.rates) for contender in (*ours, *others)]
    found += [Figure(f"{each.name}: CPU", "us/sample", [run.cpu for run in each.runs]) for each in (*ours, *others)]
    refused: list[str] = []
    for mine, peer in ((mine, peer) for mine in ours for peer in others):
        try:
            found.append(_figure(mine, peer, targets if mine is ours[0] else {}))
        except Refused as refusal:
            refused.append(f"{refusal}.")
    return found, refused


def _figure(mine: Contender, peer: Contender, targets: Mapping[str, float]) -> Figure:
    values = ratios(mine, peer)
    name = f"{mine.name} / {peer.name}"
    target = targets.get(peer.name.partition(",")[0])
    if target is None:
        return Figure(name, "x", values)
    return Figure(name, "x", values, f">= {target:g}", float(np.median(values)) >= target)


def rounds(count: int, contenders: int) -> Iterator[list[int]]:
    """Whose turn it is: in each round everybody once, and another one first."""
    for number in range(count):
        yield [(number + turn) % contenders for turn in range(contenders)]
