"""What every peer is given to do, and how it answers; the peers themselves are run by hand."""

from __future__ import annotations

import importlib
import json
import os
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from benchmarks import fc_mnist
from benchmarks.peers import child
from benchmarks.peers.digest import Digest
from benchmarks.peers.process import MODULES
from benchmarks.peers.task import Task, index_batches, scaled
from wire.errors import InvalidInput
from wire.landing import land

ROOT = Path(__file__).parents[2]


class Ones:
    """A peer that delivers ones."""

    settings: Sequence[str] = ("only",)

    def batches(self, setting: str, epochs: int | None) -> Iterator[Sequence[Any]]:
        done = 0
        while epochs is None or done < epochs:
            yield np.ones((5, 2), np.float32), np.ones(5, np.int32)
            done += 1

    def close(self) -> None:
        """Nothing runs."""


def test_a_task_travels() -> None:
    """What the harness says is what the peer's process reads."""
    task = Task("data", 10, 3)
    assert Task.from_json(task.to_json()) == task


def test_the_task_is_what_our_recipe_says() -> None:
    """The peers' transformation and the recipe's landing give the same bits for every byte."""
    (image, _) = fc_mnist.Source.of(fc_mnist.recipe_of(Task(str(fc_mnist.DATA)))).spec.fields
    values = np.arange(256, dtype=np.uint8)
    assert np.array_equal(land(values, image.landing), scaled(values))


def test_an_epoch_is_every_row_once_in_whole_batches() -> None:
    """Each epoch in another order."""
    batches = list(index_batches(12, 4, 1, epochs=2))
    assert [len(batch) for batch in batches] == [4] * 6
    first, second = np.concatenate(batches[:3]), np.concatenate(batches[3:])
    assert sorted(first) == sorted(second) == list(range(12))
    assert not np.array_equal(first, second)


def test_a_peer_answers_orders() -> None:
    """A digest is of one epoch; a run counts samples for as long as it was told to."""
    orders: list[child.Answer] = [
        {"do": "digest", "setting": "only"},
        {"do": "run", "setting": "only", "seconds": 0.01},
    ]
    digest, run = child.answers(Ones(), iter(orders))
    assert Digest(**digest) == Digest().with_batch(next(Ones().batches("only", 1)))
    assert run["seconds"] >= 0.01
    assert run["samples"] > 0
    assert run["samples"] % 5 == 0
    assert 0 <= run["cpu"] < 10


@pytest.mark.parametrize(("name", "module"), MODULES.items())
def test_a_peer_that_is_not_installed_says_so(
    name: str, module: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Its module is imported without its package, which is then named as missing."""
    peers = importlib.import_module(f"benchmarks.peers.{module}")
    monkeypatch.setattr(peers, "PACKAGE", f"no-such-{name}")
    said: list[child.Answer] = []
    child._serve(f"benchmarks.peers.{module}", Task(str(tmp_path)), said.append)
    assert said == [{"missing": f"no-such-{name}"}]


def test_an_unknown_peer_is_refused_before_anything_runs() -> None:
    """With the names there are."""
    with pytest.raises(InvalidInput, match="'tfdaat'") as refused:
        fc_mnist.measure(["tfdaat"])
    assert "'tfdata'" in refused.value.fix


def test_every_peer_of_the_extra_is_pinned() -> None:
    """The two files of constraints hold versions that pyproject.toml allows, and no package is in both."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    mine, others = _pins(ROOT / "benchmarks" / "constraints.txt"), _pins(ROOT / "constraints.txt")
    for requirement in map(Requirement, project["optional-dependencies"]["bench"]):
        assert requirement.specifier.contains((others | mine)[canonicalize_name(requirement.name)])
    assert mine.keys() & others.keys() == set()


def _pins(path: Path) -> dict[str, str]:
    lines = [line for line in path.read_text().splitlines() if not line.startswith("#")]
    return {canonicalize_name(name): version for name, version in (line.split("==") for line in lines)}


def test_what_a_library_prints_is_no_answer(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Only answers reach standard output, as lines of JSON; an error of a peer is one of them."""
    monkeypatch.setattr(child, "_serve", _noisy)
    child.main("benchmarks.peers.tfdata", Task("nowhere").to_json())
    out, err = capfd.readouterr()
    assert json.loads(out) == {"error": "ValueError: broken"}
    assert "chatter" in err


def _noisy(*_: Any) -> None:
    os.write(1, b"chatter")
    raise ValueError("broken")
