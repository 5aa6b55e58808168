"""What is seen of a step, as it travels."""

from __future__ import annotations

import numpy as np
import pytest

from wire.errors import InvalidInput
from wire.observed import observed_from, observed_message
from wire.v1 import run_pb2


def test_values_arrive_as_they_were() -> None:
    """Numbers of any shape and dtype that can travel, under their names."""
    values = {"0": np.array(0.25, np.float32), "1": np.arange(6).reshape(2, 3), "2": np.array([True, False])}
    message = observed_message(7, values)
    arrived = observed_from(run_pb2.Observed.FromString(message.SerializeToString()))
    assert message.step == 7
    assert arrived.keys() == values.keys()
    for name, value in values.items():
        assert arrived[name].dtype == value.dtype
        np.testing.assert_array_equal(arrived[name], value)


def test_what_nobody_wrote_is_an_error() -> None:
    """Another program's bytes are refused, and nothing is made of them."""
    message = observed_message(7, {"0": np.array(1.0)})
    for broken in (run_pb2.Observed(step=7), run_pb2.Observed(element_spec=message.element_spec, values=b"x" * 40)):
        with pytest.raises(InvalidInput, match="cannot be read"):
            observed_from(broken)
