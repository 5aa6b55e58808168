"""Landing: a value cast on arrival is the value cast at the worker."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from wire.elements import NUMBERS, ElementSpec, Field, Landing
from wire.landing import ALIGNMENT, land
from wire.payload import decode, encode

PIXELS = np.arange(256, dtype=np.uint8).reshape(64, 4)


@pytest.mark.parametrize("landed", ["float16", "float32", "float64"])
@pytest.mark.parametrize("consumer", ["float32", "float16"])
def test_cast_on_arrival_is_bit_equal_to_cast_at_the_worker(landed, consumer):
    """Whether pixels travel as uint8 or as what they land as, the model computes with the same bits."""
    landing = Landing(landed, 1 / 255, -0.5)
    compact = ElementSpec((Field("x", "uint8", (4,), landing=landing),))
    wide = compact.landed()
    on_arrival = land(decode(bytes(encode({"x": PIXELS}, compact)), compact)["x"], landing, consumer)
    at_worker = land(decode(bytes(encode({"x": land(PIXELS, landing)}, wide)), wide)["x"], None, consumer)
    assert on_arrival.dtype == consumer
    assert on_arrival.tobytes() == at_worker.tobytes()


@given(hnp.arrays(np.int32, st.integers(0, 20)), st.floats(-1e3, 1e3, width=32), st.floats(-1e3, 1e3, width=32))
def test_scaling_is_one_float32_multiply_and_one_add(column, scale, offset):
    """The rule is float32(x) * scale + offset, rounded after each of the two."""
    expected = column.astype(np.float32) * np.float32(scale) + np.float32(offset)
    assert land(column, Landing("float32", scale, offset)).tobytes() == expected.tobytes()


@pytest.mark.parametrize("offset", [0.0, -0.0, 0.5])
@pytest.mark.parametrize("scale", [1 / 255, 1e-46, 0.0, -0.0, -2.0, 1.0])
@pytest.mark.parametrize("column", [PIXELS, -PIXELS.astype(np.int16), np.array([-0.0, 0.0], np.float32)])
def test_an_addition_is_only_left_out_where_it_changes_no_bit(column, scale, offset):
    """Also where 0 is added to -0.0, which makes it 0.0. A scale of 1 and an offset of 0 leave every value as it is."""
    expected = column.astype(np.float32)
    if (scale, offset) != (1.0, 0.0):
        expected = expected * np.float32(scale) + np.float32(offset)
    assert land(column, Landing("float32", scale, offset)).tobytes() == expected.tobytes()


def test_a_float16_landing_rounds_as_float16_for_a_float32_model():
    """1/3 keeps float16's rounding when the consumer computes in float32."""
    third = land(np.ones(1, np.uint8), Landing("float16", 1 / 3), "float32")
    assert third.dtype == np.float32
    assert third[0] == np.float32(np.float16(1 / 3)) != np.float32(1 / 3)


def test_int32_labels_and_float16_images_train_a_float32_model():
    """Data of another dtype than the model's is cast without a landing."""
    assert land(np.array([0.1], np.float16), None, "float32").tobytes() == np.float32(np.float16(0.1)).tobytes()
    assert land(np.array([7], np.int32), None, "int64").tolist() == [7]


@pytest.mark.parametrize("dtype", NUMBERS)
@pytest.mark.parametrize("landing", [False, True])
def test_what_landed_is_memory_of_its_own(dtype, landing):
    """Also where nothing changes: what it came in may be written to again. It begins where a computation wants it."""
    column = np.ones((3, 2), dtype)
    landed = land(column, Landing(dtype) if landing else None, dtype)
    column[:] = 0
    assert landed.tolist() == [[1, 1]] * 3
    assert (landed.dtype, landed.ctypes.data % ALIGNMENT) == (np.dtype(dtype), 0)


@pytest.mark.parametrize("dtype", NUMBERS)
def test_landing_leaves_what_arrived_as_it_is(dtype):
    """Scaling reads a column, also a read-only one, and writes another of the same shape."""
    column = np.ones((3, 2), dtype)
    column.flags.writeable = False
    landed = land(column, Landing("float32", 2.0, 1.0))
    assert (landed == 3).all()
    assert (landed.shape, landed.dtype) == ((3, 2), np.float32)
    assert (column == 1).all()


@pytest.mark.parametrize("scale", [(1.0, 0.0), (0.5, 1.0)])
@pytest.mark.parametrize("landed", NUMBERS)
@pytest.mark.parametrize("travelled", NUMBERS)
def test_every_pair_of_dtypes_is_cast_on_arrival_as_at_the_worker(travelled, landed, scale):
    """Whatever travels and whatever it lands as, every consumer sees the bits that the worker would have sent."""
    column, landing = np.arange(2, 10).astype(travelled), Landing(landed, *scale)
    for consumer in NUMBERS:
        at_worker = land(land(column, landing), None, consumer)
        on_arrival = land(column, landing, consumer)
        assert (on_arrival.dtype, on_arrival.tobytes()) == (np.dtype(consumer), at_worker.tobytes())


def test_large_columns_are_scaled_as_small_ones():
    """They are scaled a part at a time, which changes no value."""
    column = np.random.default_rng(1).integers(0, 255, (700, 401), dtype=np.uint8)
    expected = column.astype(np.float32) * np.float32(0.3) + np.float32(-0.4)
    assert np.array_equal(land(column, Landing("float32", 0.3, -0.4)), expected)
    strided = column[:, ::2]
    assert np.array_equal(land(strided, Landing("float32", 0.3, -0.4)), expected[:, ::2])
