"""A schedule: how large a run is, how the network behaves, and what goes wrong at which event. All from one seed."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

CRASHES = ("worker", "wafer", "coordinator", "inside", "chief")
_OTHERS = ("break", "break", "half", "freeze", "pause", "twice", "resend", "resend")
KINDS = (*CRASHES, "worker", "wafer", "coordinator", "inside", *_OTHERS)
_HORIZON = 350


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong before the event of this number.

    kind: a role that crashes; "inside": the coordinator crashes between two instructions; "break": a connection
    breaks; "half": one end learns of it late; "freeze": a worker stops for a while; "pause": another process does;
    "twice": the next call arrives twice; "resend": workers send their last frames again. pick: who, or how much.
    """

    at: int
    kind: str
    pick: int = 0


@dataclass(frozen=True, slots=True)
class Schedule:
    """streams .. window: of the run, in steps and batches; skip: the steps of the input that are passed over.

    before: steps that were made earlier, with `before_streams`. wild: the chance of a long delay of a message while
    faults last.
    """

    seed: int
    streams: int = 3
    replicas: int = 1
    workers: int = 2
    chiefs: int = 1
    steps: int = 8
    epoch_steps: int = 5
    checkpoint_steps: int = 3
    keep: int = 2
    window: int = 3
    wild: float = 0.0
    skip: tuple[int, int] = (0, 0)
    before: int = 0
    before_streams: int = 1
    faults: tuple[Fault, ...] = field(default=())

    @classmethod
    def small(cls, *faults: Fault) -> Schedule:
        """The run that is crashed at every point: two workers, two replicas, a checkpoint every second step."""
        return cls(1, streams=3, replicas=2, steps=6, checkpoint_steps=2, faults=faults)

    @classmethod
    def of(cls, seed: int) -> Schedule:
        """The schedule of a seed."""
        rng = random.Random(seed)
        replicas, streams = rng.choice((1, 1, 2)), rng.randint(2, 4)
        epoch_steps = rng.randint(-(-streams // replicas), 9)
        before = rng.choice((0, 0, rng.randint(1, 5)))
        return cls(
            seed,
            streams=streams,
            replicas=replicas,
            workers=rng.randint(1, 3),
            chiefs=rng.choice((1, 1, 2)),
            steps=rng.randint(6, 20),
            epoch_steps=epoch_steps,
            checkpoint_steps=rng.randint(1, 6),
            keep=rng.choice((0, 1, 2)),
            window=rng.choice((1, 2, 3, 8)),
            wild=rng.choice((0.0, 0.02, 0.1)),
            skip=rng.choice(((0, 0), (0, 0), (rng.randint(1, 4), rng.randint(3, 7)))) if not before else (0, 0),
            before=before,
            before_streams=rng.randint(replicas, min(4, epoch_steps * replicas)),
            faults=_faults(rng),
        )


def _faults(rng: random.Random) -> tuple[Fault, ...]:
    spots = sorted(rng.randrange(_HORIZON) for _ in range(rng.choice((0, 1, 2, 3, 4, 6, 8))))
    return tuple(Fault(at, rng.choice(KINDS), rng.randrange(1 << 16)) for at in spots)
