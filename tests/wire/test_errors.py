"""Errors as a person meets them."""

import pytest

from wire import errors
from wire.errors import Fault, InvalidInput, nearest

LEAVES = [errors.InvalidInput, errors.NotFound, errors.Refused, errors.Unreachable, errors.Exhausted, errors.Stopped]


@pytest.mark.parametrize("leaf", LEAVES)
def test_every_leaf_is_a_fault(leaf):
    """One `except Fault` catches whatever a person can act on."""
    with pytest.raises(Fault, match="what"):
        raise leaf("what", where="where", fix="fix")


def test_the_screen_says_what_where_and_what_to_do():
    """Three short lines, in that order."""
    fault = InvalidInput("the key 'shufle' is unknown", where="params.yaml", fix="did you mean 'shuffle'?")
    assert fault.screen().splitlines() == [
        "error: the key 'shufle' is unknown",
        "  where: params.yaml",
        "  do:    did you mean 'shuffle'?",
    ]


def test_nothing_is_said_about_what_is_not_known():
    """Without place and remedy only the first line is left."""
    assert InvalidInput("it broke").screen() == "error: it broke"
    assert str(InvalidInput("it broke")) == "it broke"


def test_the_text_of_a_fault_is_one_line():
    """Logs get all three parts in one line."""
    assert str(InvalidInput("it broke", where="a.py:3", fix="mend it")) == "it broke; at a.py:3; mend it"


def test_a_misspelt_name_gets_the_nearest_known_one():
    """The nearest name is suggested; where none is near, all are listed in order."""
    assert nearest("shufle", ["batch", "shuffle"]) == "did you mean 'shuffle'?"
    assert nearest("xyz", ["shuffle", "batch"]) == "known here: batch, shuffle"
