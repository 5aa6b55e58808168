"""What a program was captured from: an equal model is not captured again, and any other one is."""

from __future__ import annotations

import importlib.util
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from small_models import Model, Net, make_batch, make_params
from torch.utils.data import DataLoader, TensorDataset

from clients.job import Job
from clients.pytorch import compiling
from clients.pytorch.capture import capture
from clients.pytorch.origin import RECORD, Origin, origin_of
from clients.sections import RunConfig
from streamer.advice.review import watching
from wafer_sim.compiler.program import EVALUATE, GRADIENTS, Entry, Program
from wafer_sim.executables import write_executable

TRAIN = [Entry(GRADIENTS, 6)]


def origin(model: Any = None, batch: Any = None, entries: Any = None, params: Any = None) -> Origin | None:
    return origin_of(model or Model(), batch or make_batch(), entries or TRAIN, params or make_params())


def with_attribute(name: str, value: Any) -> Model:
    model = Model()
    setattr(model.model, name, value)
    return model


def frozen() -> Model:
    model = Model()
    model.model.first.weight.requires_grad_(False)
    return model


@pytest.fixture(scope="module")
def program() -> Program:
    return capture(Model(), make_batch(), TRAIN)


@pytest.fixture
def module(tmp_path: Path) -> Any:
    """A file of a user, imported: WIDTH = 3."""
    path = tmp_path / "users_file.py"
    path.write_text("WIDTH = 3\n")
    spec = importlib.util.spec_from_file_location("users_file", path)
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    sys.modules["users_file"] = made
    spec.loader.exec_module(made)
    yield made
    del sys.modules["users_file"]


def test_it_is_the_same_for_the_same_model() -> None:
    """Whatever its weights are, how many samples the sample batch has, and how it is trained."""
    torch.manual_seed(99)
    params = make_params(max_steps=9) | {"optimizer": {"optimizer_type": "adam", "learning_rate": 0.5}}
    assert origin() == origin(Model(params), make_batch(3), params=params)


@pytest.mark.parametrize(
    "make",
    [
        lambda: origin(Model(net=Net(dropout=0.5))),
        lambda: origin(with_attribute("scale", 2.0)),
        lambda: origin(frozen()),
        lambda: origin(batch=tuple(t.float() for t in make_batch())),
        lambda: origin(batch={"inputs": make_batch()[0], "labels": make_batch()[1]}),
        lambda: origin(entries=[Entry(GRADIENTS, 7)]),
        lambda: origin(entries=[Entry(EVALUATE, 6)]),
        lambda: origin(params=make_params() | {"model": {"mixed_precision": True}}),
        lambda: origin(Model({**make_params(), "model": {"mixed_precision": True}})),
    ],
)
def test_it_is_another_for_another_model(make: Callable[[], Origin | None]) -> None:
    """An attribute, a frozen weight, the batch, what is captured, the params, the precision."""
    made, plain = make(), origin()
    assert made is not None
    assert plain is not None
    assert made.key != plain.key


def test_a_number_at_the_top_of_a_users_file_is_a_part_of_it(module: ModuleType) -> None:
    """It may have come from anywhere: a flag, the environment."""
    before = origin()
    module.WIDTH = 4
    after = origin()
    assert before is not None
    assert after is not None
    assert before.key != after.key


@pytest.mark.parametrize("batch", [None, ("words", 1), (torch.tensor(1.0),)])
def test_what_cannot_be_described_has_none(batch: Any) -> None:
    """Such a model is captured each time, and a batch that is none is refused there."""
    assert origin(with_attribute("lock", threading.Lock()) if batch is None else Model(), batch) is None


def test_a_program_is_read_again(program: Program, tmp_path: Path) -> None:
    """With the record beside it, byte for byte, so that files imported by forward() alone stay in it."""
    mine = origin()
    assert mine is not None
    assert mine.recall(tmp_path) is None
    write_executable(tmp_path, program, {RECORD: mine.record()})
    assert mine.recall(tmp_path) == (program, mine.record())


def test_a_changed_file_means_captured_again(program: Program, tmp_path: Path, module: ModuleType) -> None:
    """Any of the user's files that were imported; one that has gone, too."""
    mine = origin()
    assert mine is not None
    write_executable(tmp_path, program, {RECORD: mine.record()})
    assert mine.recall(tmp_path) is not None
    path = Path(str(module.__file__))
    path.write_text("WIDTH = 3  # as it was\n")
    assert mine.recall(tmp_path) is None
    path.unlink()
    assert mine.recall(tmp_path) is None


@pytest.mark.parametrize("content", [b"", b"[]", b'{"key": 1}', b'{"files": {}}'])
def test_a_record_that_is_none_is_passed_over(program: Program, tmp_path: Path, content: bytes) -> None:
    """As is a program that is damaged."""
    mine = origin()
    assert mine is not None
    write_executable(tmp_path, program, {RECORD: content})
    assert mine.recall(tmp_path) is None
    path, *_ = write_executable(tmp_path, program, {RECORD: mine.record()})
    (path / "program.json").write_text("{}")
    assert mine.recall(tmp_path) is None


def test_a_job_captures_once(program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second compile of the same folder traces nothing; with another dropout rate it does."""
    features, labels = make_batch(12)
    loader = DataLoader(TensorDataset(features, labels), 6, drop_last=True)
    params = make_params(max_steps=1)
    job = Job(params, RunConfig.model_validate({"max_steps": 1}), Path("p.yaml"), tmp_path, "train")
    calls = []
    monkeypatch.setattr(compiling, "capture", lambda *given: calls.append(given) or program)

    def compiled(model: Model) -> Program:
        with watching() as watched:
            found = compiling.captured_job(model, loader, watched, job)
        write_executable(tmp_path, found.program, found.beside)
        assert isinstance(found.program, Program)
        return found.program

    assert compiled(Model(params)) == compiled(Model(params))
    assert len(calls) == 1
    compiled(Model(params, Net(dropout=0.5)))
    assert len(calls) == 2
