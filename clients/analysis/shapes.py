"""How many tasks of which size: what is tried on a node, and what follows from what was measured. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

MOST_TASKS = 16
"""More processes than this are not started at once to measure."""
NEAR = 0.95
"""Settings that bring this part of the best one's rate are as good; the one that takes fewer processors is better."""


@dataclass(frozen=True, slots=True)
class Shape:
    """So many tasks on a node at once, each kept to so many processors of its own."""

    tasks: int
    cpus: int


@dataclass(frozen=True, slots=True)
class Brought:
    """rate: of all tasks of a shape together, in samples a second. waited: seconds that they waited for what."""

    shape: Shape
    rate: float
    waited: Mapping[str, float] = field(default_factory=dict)

    @property
    def each(self) -> float:
        """Samples a second of one task among them."""
        return self.rate / self.shape.tasks


@dataclass(frozen=True, slots=True)
class Setting:
    """What to start: tasks on each of some nodes, processors for each. One task of them all is the chief.

    rate: samples a second that it is expected to bring, no more than is wanted. enough: whether that is all.
    """

    nodes: int
    tasks: int
    cpus: int
    rate: float
    enough: bool

    @property
    def workers(self) -> int:
        return self.nodes * self.tasks - 1


def shapes_of(cpus: int) -> list[Shape]:
    """What is tried on a node of so many processors: one task on one of them, then 1, 2, 4, ... tasks on all."""
    counts = [2**power for power in range(MOST_TASKS.bit_length()) if 2**power <= min(cpus, MOST_TASKS)]
    return list(dict.fromkeys([Shape(1, 1), *(Shape(tasks, cpus // tasks) for tasks in counts)]))


def recommended(brought: Sequence[Brought], nodes: int, wanted: float | None) -> Setting:
    """Of so many nodes as the measured one, and a wanted rate (samples a second; None: as much as there is).

    The fewest nodes, then processors, that are enough; where none are, those that bring most. A node is given no more
    tasks of a size than were measured at once, and all nodes are taken to bring the same.
    """
    settings = [
        _setting(count, tasks, each, wanted)
        for each in _widest(brought)
        for count in range(1, nodes + 1)
        for tasks in range(1, each.shape.tasks + 1)
        if count * tasks > 1
    ]
    if not settings:  # one processor: the chief, which only follows, shares it with a worker
        return _setting(1, 2, brought[0], wanted)
    enough = [setting for setting in settings if setting.enough]
    if enough:
        return min(enough, key=lambda each: (each.nodes, *_taken(each)))
    most = max(setting.rate for setting in settings)
    return min((each for each in settings if each.rate >= NEAR * most), key=_taken)


def nodes_for(setting: Setting, wanted: float) -> int:
    """How many nodes with the tasks of a setting would be enough for a rate."""
    return math.ceil((wanted / (setting.rate / setting.workers) + 1) / setting.tasks)


def _widest(brought: Sequence[Brought]) -> list[Brought]:
    """Of each size of task what the most of them at once brought."""
    found: dict[int, Brought] = {}
    for each in sorted(brought, key=lambda each: each.shape.tasks):
        found[each.shape.cpus] = each
    return list(found.values())


def _setting(nodes: int, tasks: int, brought: Brought, wanted: float | None) -> Setting:
    rate = (nodes * tasks - 1) * brought.each
    enough = wanted is not None and rate >= wanted
    return Setting(nodes, tasks, brought.shape.cpus, min(rate, wanted) if wanted is not None else rate, enough)


def _taken(setting: Setting) -> tuple[int, int]:
    return setting.nodes * setting.tasks * setting.cpus, setting.workers
