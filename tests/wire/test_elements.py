"""What an element spec accepts and says."""

import numpy as np
import pytest

from wire.elements import ElementSpec, Field, Landing, Ragged, rows_of


@pytest.mark.parametrize("dtype", ["complex64", "object", "float8", ""])
def test_a_dtype_that_cannot_travel_is_refused(dtype):
    """The message names the field, the dtype and what is known."""
    with pytest.raises(ValueError, match=r"'image'.*cannot travel.*uint8.*string"):
        Field("image", dtype)


@pytest.mark.parametrize("shape", [(0,), (3, -1), (2.5,), ("3",), (2**16, 2**16)])
def test_a_shape_that_arrow_cannot_hold_is_refused(shape):
    """Lengths are whole numbers from 1 up, and their product fits a list size."""
    with pytest.raises(ValueError, match="shape"):
        Field("image", "uint8", shape)


@pytest.mark.parametrize(("dtype", "scale"), [("string", 1.0), ("object", 1.0), ("float32", float("nan"))])
def test_a_landing_is_a_finite_scaling_to_a_number(dtype, scale):
    """Nothing lands as a string or an object, or by a scale that is no number."""
    with pytest.raises(ValueError, match="land"):
        Landing(dtype, scale)


def test_a_string_has_no_landing():
    """A string is not scaled or cast."""
    with pytest.raises(ValueError, match="string"):
        Field("name", "string", landing=Landing("float32"))


def test_names_do_not_repeat():
    """Two fields of one name are refused."""
    with pytest.raises(ValueError, match="repeat"):
        ElementSpec((Field("x", "uint8"), Field("x", "int8")))


def test_size_counts_the_numbers_of_a_sample():
    """A scalar has one number, an image as many as it has pixels."""
    assert (Field("y", "int32").size, Field("x", "uint8", (28, 28)).size) == (1, 784)


def test_landed_is_the_element_that_the_model_sees():
    """After arrival the dtype is the landing's, and nothing is left to do."""
    spec = ElementSpec((Field("x", "uint8", (4,), landing=Landing("float16", 0.5)), Field("y", "int32")))
    assert spec.landed() == ElementSpec((Field("x", "float16", (4,)), Field("y", "int32")))


def test_text_gives_names_dtypes_shapes_and_landing():
    """People read a spec in one line."""
    fields = (
        Field("x", "uint8", (28, 28), landing=Landing("float16")),
        Field("words", "string", ragged=True),
        Field("boxes", "float32", (4,), ragged=True),
        Field("y", "int32"),
    )
    expected = "x: uint8(28, 28) lands as float16; words: string(var); boxes: float32(var, 4); y: int32()"
    assert str(ElementSpec(fields)) == expected


def test_rows_are_counted_in_any_kind_of_column():
    """A batch has as many rows as its columns; without columns it has none."""
    ragged = Ragged(np.arange(5), np.array([0, 2, 5], np.int64))
    assert rows_of({"r": ragged}) == 2
    assert rows_of({"x": np.zeros((3, 4))}) == 3
    assert rows_of({}) == 0
