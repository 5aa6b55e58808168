"""The user's own line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from clients import sources
from wire.errors import InvalidInput, NotFound


def test_the_innermost_line_of_the_users_is_named():
    """An error that a library raised is told at the line that called it."""
    with pytest.raises(InvalidInput, match="JSONDecodeError while reading") as caught, sources.model_errors("reading"):
        json.loads("{")
    assert caught.value.where.startswith("test_sources.py:")


def test_a_fault_is_left_as_it_is():
    """What already says what, where and what to do is not told anew."""
    with pytest.raises(NotFound, match="gone"), sources.model_errors("reading"):
        raise NotFound("gone")


def test_a_line_is_found_in_a_text():
    """Frameworks tell frames as text; those of our machinery and of libraries are passed over."""
    ours = Path(sources.__file__).with_name("tensorflow") / "plain_loop.py"
    text = f'File "/home/me/model.py", line 7, in f\n  x\nFile "{ours}", line 3, in g\nFile "{json.__file__}", line 5'
    assert sources.user_line(text) == "model.py:7"
    assert sources.user_line(f'File "{ours}", line 3') == ""


def test_the_reference_projects_are_a_users():
    """Their files are the user's own, the packages beside them are not."""
    clients = Path(sources.__file__).parent
    assert sources.is_users(str(clients / "fc_mnist" / "tf" / "model.py"))
    assert not sources.is_users(str(clients / "tensorflow" / "calls.py"))
