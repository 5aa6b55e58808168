"""The cursor: where a stream is. The only notion of position in the project."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Cursor:
    """The position of one batch in one stream.

    stream: index of the stream in the run, 0 .. S-1.
    epoch: how many times the stream's data was walked through before this batch.
    sequence: how many batches of this stream and epoch come before this one.
    """

    stream: int
    epoch: int = 0
    sequence: int = 0

    def __post_init__(self) -> None:
        if min(self.stream, self.epoch, self.sequence) < 0:
            raise ValueError(f"a cursor has no negative parts: {self}")

    def __str__(self) -> str:
        return f"stream {self.stream} epoch {self.epoch} batch {self.sequence}"

    def following(self) -> Cursor:
        """The cursor of the next batch of the same epoch."""
        return Cursor(self.stream, self.epoch, self.sequence + 1)

    def further(self, batches: int) -> Cursor:
        """The cursor so many batches later in the same epoch."""
        return Cursor(self.stream, self.epoch, self.sequence + batches)

    def next_epoch(self) -> Cursor:
        """The cursor of the first batch of the next epoch."""
        return Cursor(self.stream, self.epoch + 1, 0)
