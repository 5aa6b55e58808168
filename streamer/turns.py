"""Turns: which steps of a replica are a stream's own.

Stream i feeds replica i mod R. The streams of one replica (r, r + R, ...) take its global steps in turn, and the
turns do not start anew with an epoch. Where a source is sharded, a stream walks a shard of its own, and all of it.
"""

from __future__ import annotations

from dataclasses import dataclass

from wire.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class Turns:
    """Stream `stream` of `streams`, which feed `replicas` replicas.

    sharded: its source gives it no batches of other turns.
    Raises InvalidInput with fewer streams than replicas, and for a stream that does not exist.
    """

    stream: int
    streams: int
    replicas: int
    sharded: bool = False

    def __post_init__(self) -> None:
        if self.streams < self.replicas:
            raise InvalidInput(
                f"at least {self.replicas} streams are needed for a model with {self.replicas} replicas, "
                f"not {self.streams}",
                fix="start more workers or streams, or run fewer replicas",
            )
        if not 0 <= self.stream < self.streams:
            raise InvalidInput(f"there is no stream {self.stream}: this run has the streams 0 .. {self.streams - 1}")

    @property
    def replica(self) -> int:
        return self.stream % self.replicas

    @property
    def turn(self) -> int:
        """Which of its replica's streams this is."""
        return self.stream // self.replicas

    @property
    def turns(self) -> int:
        """How many streams this one's replica has."""
        return -(-(self.streams - self.replica) // self.replicas)

    @property
    def even(self) -> bool:
        """Whether all replicas have as many streams: only then does a step's every part come from one shard."""
        return self.streams % self.replicas == 0

    @property
    def shared(self) -> bool:
        """Whether the walk that this stream takes its batches from has batches of other turns, too."""
        return self.turns > 1 and not self.sharded

    def next_step(self, step: int) -> int:
        """The stream's first global step that is not before `step`."""
        return step + (self.turn - step) % self.turns

    def owns(self, step: int) -> bool:
        return not self.shared or step % self.turns == self.turn
