"""Who is struck and when, from a seed. Pure."""

from __future__ import annotations

import random
from dataclasses import dataclass

WORKER, FROZEN, WAFER, COORDINATOR, CHIEF = "worker", "frozen worker", "wafer process", "coordinator", "chief"
SHARES = {WORKER: 16, FROZEN: 8, WAFER: 12, COORDINATOR: 7, CHIEF: 7}
"""Role -> how many of fifty strikes."""

OVERLAPPING = 0.2
PAUSE_SECONDS = (0.1, 1.2)
OVERLAP_SECONDS = (0.0, 0.6)
FROZEN_SECONDS = (2.0, 5.0)


@dataclass(frozen=True, slots=True)
class Strike:
    """One SIGKILL; for a frozen worker one SIGSTOP, and SIGCONT `frozen` seconds later.

    wait: seconds after the recovery from the strike before, or after that strike itself where this one overlaps it.
    choice: 0 .. 1, which of several workers.
    """

    number: int
    role: str
    wait: float
    overlaps: bool
    choice: float
    frozen: float


def strikes(seed: int, count: int) -> list[Strike]:
    """`count` strikes. Every role is among the first ones of the draw, so five strikes or more have them all."""
    draw = random.Random(seed)  # noqa: S311 - moments, not secrets
    roles = draw.sample(list(SHARES), len(SHARES))[:count]
    roles += draw.choices(list(SHARES), weights=list(SHARES.values()), k=count - len(roles))
    draw.shuffle(roles)
    return [_strike(draw, number, role) for number, role in enumerate(roles)]


def _strike(draw: random.Random, number: int, role: str) -> Strike:
    overlaps = number > 0 and draw.random() < OVERLAPPING
    wait = draw.uniform(*(OVERLAP_SECONDS if overlaps else PAUSE_SECONDS))
    frozen = draw.uniform(*FROZEN_SECONDS) if role == FROZEN else 0.0
    return Strike(number, role, wait, overlaps, draw.random(), frozen)
