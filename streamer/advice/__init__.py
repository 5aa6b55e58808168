"""Advice: what would make a run's input quicker, or its order better. What is looked at, and what is said."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rates:
    """What a stage was measured to do, by itself, on made-up samples: samples a second, with batches of `batch`.

    as_it_is: on single samples, which are batched then. in_batches: on whole batches; by: how.
    """

    batch: int
    as_it_is: float
    in_batches: float
    by: str = ""


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage of a tf.data pipeline.

    kind: the name of the method that makes it, or "source" and "read" for those that begin one. where: the user's own
    "data.py:12"; "" for one that a library made. size: elements of its buffer or its batch, size and cycle None where
    nobody knows. inputs: how many elements go into it, None where nobody knows or there is no end of them.
    cycle: elements that an interleave reads in turn, -1 for one that the machine chooses. What is in its function:
    python, random, reads (of files), parses (of single Examples).
    """

    kind: str
    where: str = ""
    size: int | None = None
    inputs: int | None = None
    parallel: bool = False
    cycle: int | None = None
    python: bool = False
    random: bool = False
    reads: bool = False
    parses: bool = False
    rates: Rates | None = None


@dataclass(frozen=True, slots=True)
class Remark:
    """where: the user's line, or the key of their params. what: in a word or two. gain: "" where it is not known."""

    where: str
    what: str
    why: str
    instead: str
    gain: str = ""


@dataclass(frozen=True, slots=True)
class Review:
    """What there is to say of an input. of: what the user calls it."""

    of: str
    remarks: tuple[Remark, ...]
