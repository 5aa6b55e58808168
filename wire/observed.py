"""What a program lets be seen while it trains, as it travels: named arrays of one step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from wire.elements import ElementSpec, Field
from wire.errors import InvalidInput
from wire.payload import decode, encode
from wire.schema import CodecError, spec_from_bytes, spec_to_bytes
from wire.v1 import run_pb2

Arrays = Mapping[str, npt.NDArray[Any]]

LARGEST = 16 * 1024
"""Bytes of one observation: the coordinator keeps the latest of them."""


def observed_message(step: int, values: Arrays) -> run_pb2.Observed:
    """The values of a step. step: weight updates made, this one among them."""
    spec = ElementSpec(tuple(Field(name, array.dtype.name, array.shape) for name, array in values.items()))
    payload = encode({name: array[np.newaxis] for name, array in values.items()}, spec)
    return run_pb2.Observed(step=step, element_spec=spec_to_bytes(spec), values=bytes(payload))


def observed_from(message: run_pb2.Observed) -> dict[str, npt.NDArray[Any]]:
    """Read what `observed_message` wrote. Raises InvalidInput."""
    try:
        columns = decode(message.values, spec_from_bytes(message.element_spec))
        return {name: np.asarray(column)[0] for name, column in columns.items()}
    except (CodecError, IndexError) as error:
        what = f"the values observed at step {message.step} cannot be read: {error}"
        raise InvalidInput(what, where="the wafer", fix="use the same version here and there") from error
