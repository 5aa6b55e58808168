"""What a run passes over: ranges of its input, and samples that cannot be read."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal

from wire.v1 import run_pb2

if TYPE_CHECKING:
    from clients.sections import RunConfig

log = logging.getLogger("clients")

Unit = Literal["steps", "samples"]

_RANGE = re.compile(r"^(?P<samples>samples\s+)?(?P<first>\d+)(?:\s*-\s*(?P<last>\d+))?$")
_FORMS = "steps of the input such as 7 or 1200-1300, or samples such as samples 307200-332800"


@dataclass(frozen=True, slots=True)
class Range:
    """first .. last of a run's input, both included; the first step, and the first sample, is 1."""

    first: int
    last: int
    unit: Unit = "steps"

    @property
    def bounds(self) -> tuple[int, int]:
        return self.first, self.last

    def __str__(self) -> str:
        numbers = f"{self.first:,}" if self.first == self.last else f"{self.first:,} to {self.last:,}"
        name = self.unit.removesuffix("s") if self.first == self.last else self.unit
        return f"{name} {numbers}"


def ranges_from(value: Any) -> tuple[Range, ...]:
    """`runconfig.skip`: one range or a list of them, as numbers or text. Raises ValueError: what is allowed."""
    given = value if isinstance(value, list | tuple) else [value]
    ranges = tuple(each if isinstance(each, Range) else _range(each) for each in given)
    for unit in ("steps", "samples"):
        for before, after in pairwise(sorted((r for r in ranges if r.unit == unit), key=lambda r: r.first)):
            if after.first <= before.last:
                raise ValueError(f"ranges that do not overlap; {before} and {after} do")
    return ranges


def _range(value: Any) -> Range:
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    found = _RANGE.match(text.strip()) if isinstance(text, str) else None
    if found is None:
        raise ValueError(f"{_FORMS}; {value!r} is neither")
    first, last = int(found["first"]), int(found["last"] or found["first"])
    if first < 1:
        raise ValueError(f"{_FORMS}; the first one is 1, not {first}")
    if last < first:
        raise ValueError(f"{_FORMS}; {value!r} ends before it begins")
    return Range(first, last, "samples" if found["samples"] else "steps")


def skips_of(config: RunConfig, batch_size: int) -> list[run_pb2.Skip]:
    """RunSpec.skip: steps of the input, in order; what they are is logged.

    batch_size: samples of a whole step. Samples are passed over by the whole steps that hold them, which other ranges
    may hold too.
    """
    steps = sorted(_whole_steps(each, batch_size).bounds for each in config.skip)
    return [run_pb2.Skip(first=first, last=last) for first, last in steps]


def _whole_steps(given: Range, batch_size: int) -> Range:
    if given.unit == "steps":
        log.info("Passing over %s of the input", given)
        return given
    steps = Range((given.first - 1) // batch_size + 1, (given.last - 1) // batch_size + 1)
    whole = Range((steps.first - 1) * batch_size + 1, steps.last * batch_size, "samples")
    beyond = "" if whole == given else f": they hold {whole}, which is what whole steps of {batch_size:,} take"
    log.info("Passing over %s of the input, that is %s%s", given, steps, beyond)
    return steps


def bad_samples_of(config: RunConfig) -> run_pb2.BadSamples | None:
    """DataPlan.bad_samples: the bounds within which bad samples are passed over; None where the first stops the run."""
    if config.bad_samples == "stop":
        return None
    return run_pb2.BadSamples(in_a_row=config.bad_samples_in_a_row or 0, fraction=config.bad_samples_fraction or 0.0)
