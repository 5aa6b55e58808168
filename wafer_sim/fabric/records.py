"""An estimate as JSON, so that a report can be drawn from a file later."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, fields
from typing import Any

from wafer_sim.fabric.packing import Rectangle
from wafer_sim.fabric.result import Batch, Estimate, KernelEstimate
from wire.errors import InvalidInput

FORMAT = 1
_UNBOUNDED = "transmission_samples_per_second"


def to_json(estimate: Estimate) -> str:
    """The estimate as text that `from_json` reads."""
    record = {"format": FORMAT, **asdict(estimate)}
    if math.isinf(estimate.transmission_samples_per_second):
        record[_UNBOUNDED] = None
    return json.dumps(record, indent=1, allow_nan=False) + "\n"


def from_json(text: str | bytes, where: str = "") -> Estimate:
    """Read what `to_json` wrote. Raises InvalidInput for anything else; `where`: the file it came from."""
    try:
        return _estimate(json.loads(text))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise InvalidInput(f"not an estimate: {error}", where=where, fix="compile again") from error


def _estimate(record: Any) -> Estimate:
    if record["format"] != FORMAT:
        raise ValueError(f"format {record['format']}, not {FORMAT}")
    record = _of(Estimate, record, "format")
    record[_UNBOUNDED] = math.inf if record[_UNBOUNDED] is None else record[_UNBOUNDED]
    width, height = record["grid"]
    record |= {
        "grid": (int(width), int(height)),
        "corners": tuple((int(x), int(y)) for x, y in record["corners"]),
        "kernels": tuple(_kernel(kernel) for kernel in record["kernels"]),
        "batch": Batch(**_of(Batch, record["batch"])),
    }
    return Estimate(**record)


def _kernel(record: Any) -> KernelEstimate:
    record = _of(KernelEstimate, record)
    rectangle = record["rectangle"]
    placed = None if rectangle is None else Rectangle(**{key: int(side) for key, side in rectangle.items()})
    return KernelEstimate(**record | {"inputs": tuple(map(str, record["inputs"])), "rectangle": placed})


_KINDS: dict[str, tuple[type, ...]] = {"str": (str,), "int": (int,), "float": (int, float)}


def _of(kind: type, record: dict[str, Any], *more: str) -> dict[str, Any]:
    """The fields of a record, none missing and none unknown, the plain ones of the right type."""
    wanted = {field.name: str(field.type) for field in fields(kind)}
    if wrong := (wanted.keys() | set(more)) ^ record.keys():
        raise ValueError(f"missing or unknown: {', '.join(sorted(wrong))}")
    for name, annotated in wanted.items():
        allowed = _KINDS.get(annotated)
        if allowed and not isinstance(record[name], allowed) and not (name == _UNBOUNDED and record[name] is None):
            raise ValueError(f"{name} is {record[name]!r}")
    return {name: record[name] for name in wanted}
