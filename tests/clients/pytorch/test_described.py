"""Objects as data: equal where they are equal, other where anything differs."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from clients.pytorch.described import IndescribableError, described, plain_values


@dataclass(frozen=True, slots=True)
class Size:
    """Slots, no __dict__."""

    width: int


class Level(int):
    """A number that does not say which."""

    def __repr__(self) -> str:
        return "Level"


class Config(dict[str, int]):
    """A dict with attributes."""

    def __init__(self, depth: int) -> None:
        super().__init__(width=1)
        self.depth = depth


class Deep(Size):
    """Slots and a __dict__."""

    FAST = True


class Held:
    """Anything, as an attribute."""

    def __init__(self, value: Any) -> None:
        self.value = value


def closing(value: Any) -> Any:
    return lambda x: x * value


def frozen(layer: nn.Module) -> nn.Module:
    return layer.requires_grad_(False)


def hooked(layer: nn.Module) -> nn.Module:
    layer.register_forward_hook(print)
    return layer


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (1, 1.0),
        ([1, [2]], [[1], 2]),
        ({"a": 1}, {"a": 2}),
        ({1, 2}, {1, 3}),
        (Size(1), Size(2)),
        (Deep(1), Deep(2)),
        (Level(1), Level(2)),
        (Config(1), Config(2)),
        (Held(1), Held(2)),
        (functional.relu, functional.gelu),
        (partial(functional.elu, alpha=1.0), partial(functional.elu, alpha=2.0)),
        (closing(2), closing(3)),
        (torch.ones(2), torch.zeros(2)),
        (np.ones(2), np.ones(3)),
        (nn.Linear(2, 3), nn.Linear(2, 4)),
        (nn.Linear(2, 3), frozen(nn.Linear(2, 3))),
        (nn.Linear(2, 3), nn.Linear(2, 3).eval()),
        (nn.Linear(2, 3), hooked(nn.Linear(2, 3))),
        (nn.Dropout(0.1), nn.Dropout(0.2)),
        ([Held(1)] * 2, [Held(1), Held(1)]),
    ],
)
def test_what_differs_is_described_differently(one: Any, other: Any) -> None:
    """Values, attributes, code by its name, what it closes over, shapes, hooks; and who is held twice."""
    assert described(one) != described(other)


@pytest.mark.parametrize(
    "make",
    [
        lambda: nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.ReLU()),
        lambda: {"x": [1, 2.5, None, {3, 4}], "net": nn.Embedding(3, 2)},
        lambda: closing(Size(4)),
        lambda: torch.full((2, 2), 3.0, dtype=torch.bfloat16),
    ],
)
def test_what_is_equal_is_described_equally(make: Any) -> None:
    """The values of weights and buffers are no part of it: they are not in a program."""
    assert described(make()) == described(make())


def test_what_holds_itself_has_an_end() -> None:
    """A child that knows its parent."""
    loop = Held(None)
    loop.value = loop
    assert described(loop) != described(Held(None))


def test_a_flag_of_the_class_is_a_part(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also of a class that it derives from."""
    before = described(Deep(1))
    monkeypatch.setattr(Deep, "FAST", False)
    assert described(Deep(1)) != before


def test_what_lives_in_this_process_only_has_no_description() -> None:
    """A lock, wherever it is."""
    with pytest.raises(IndescribableError, match="lock"):
        described(Held([threading.Lock()]))


def test_plain_values_are_numbers_and_texts_in_small_containers() -> None:
    """Objects and large tables are left out, and so is what Python itself sets."""
    found = plain_values({"b": [1, "x"], "a": 2, "net": nn.Linear(1, 1), "table": list(range(5000)), "__file__": "f"})
    assert [name for name, _ in found] == ["a", "b"]
