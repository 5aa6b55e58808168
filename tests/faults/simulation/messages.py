"""What processes say when they connect to the coordinator or to a wafer process."""

from __future__ import annotations

from typing import NamedTuple

from wire.codec import Frame
from wire.v1 import run_pb2

FRAME_BYTES = 100


class Register(NamedTuple):
    """A worker is there."""

    name: str


class Watch(NamedTuple):
    """A worker wants to be told what to do."""

    worker_id: str
    incarnation: int


class Beat(NamedTuple):
    """A worker lives."""

    worker_id: str
    incarnation: int


class Failure(NamedTuple):
    """A worker cannot go on with a stream."""

    worker_id: str
    incarnation: int
    run_id: str
    stream: int
    problem: run_pb2.Problem


class Elect(NamedTuple):
    """A session wants to be chief."""

    session: str


class Submit(NamedTuple):
    """A chief wants a run."""

    spec: run_pb2.RunSpec


class Follow(NamedTuple):
    """A session wants to hear the events beyond number `after`."""

    run_id: str
    after: int
    session: str


class Attach(NamedTuple):
    """A wafer process is up."""

    run_id: str
    incarnation: int
    address: str


class Hello(NamedTuple):
    """The first word of a push."""

    run_id: str
    stream: int
    lease: int
    worker: str


class Frames(NamedTuple):
    """One message of a push."""

    frames: tuple[Frame, ...]
    nbytes: int

    @property
    def batches(self) -> int:
        return sum(frame.batches for frame in self.frames)
