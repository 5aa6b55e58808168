"""What Python dropped is as it was."""

from __future__ import annotations

import inspect

import pytest

from compat.dropped import getargspec, give_back_to_inspect


def test_getargspec_is_as_it_was(monkeypatch):
    """Four fields; a class is described by its __new__ or __init__; keyword-only arguments were an error."""

    def function(a, b=1, *rest, **named): ...

    class Spec:
        def __new__(cls, mode, loss=None): ...

    class Plain:
        def __init__(self, x): ...

    assert tuple(getargspec(function)) == (["a", "b"], "rest", "named", (1,))
    assert getargspec(Spec).args == ["cls", "mode", "loss"]
    assert getargspec(Plain).args == ["self", "x"]
    with pytest.raises(ValueError, match="keyword-only"):
        getargspec(lambda *, a: a)
    monkeypatch.delattr(inspect, "getargspec", raising=False)
    monkeypatch.setattr(inspect, "getargspec", None, raising=False)
    monkeypatch.delattr(inspect, "getargspec")
    give_back_to_inspect()
    assert inspect.getargspec is getargspec
    monkeypatch.delattr(inspect, "getargspec")
