"""Which run a loop goes on with whose chief is gone, and what is done about the user's own files."""

from __future__ import annotations

import logging
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from clients.session import Session
from compat.pytorch import cb_model, succession
from compat.pytorch.files import write_whole
from wire.v1 import run_pb2
from wire.v1.coordinator_pb2 import RunStatus

FOLDER = Path("/jobs")


def run(name, state="running", *, session="s", chief="s/0", mode=run_pb2.MODE_TRAIN, folder="/jobs/wafer/train_1"):
    spec = run_pb2.RunSpec(session=session, chief=chief, mode=mode, model_dir=folder)
    return RunStatus(run_id=name, state=state, spec=spec)


def found(monkeypatch, *runs, ended=False):
    """The run that task s/1 goes on with; "" where it begins one."""
    session = Session("h:1", name="s", candidate="s/1")
    monkeypatch.setattr(session, "runs", lambda: runs)
    left = succession.left_behind(session, FOLDER, "train", ended=ended)
    session.close()
    return "" if left is None else left.run_id


def test_the_newest_run_of_the_loop_is_gone_on_with(monkeypatch):
    """Of this session, mode and service_workdir; not one that this task was chief of itself."""
    others = (
        run("b", session="t", chief="t/0"),
        run("c", mode=run_pb2.MODE_EVAL),
        run("d", folder="/elsewhere/wafer/train_1"),
    )
    assert found(monkeypatch, run("z", "failed"), run("a"), *others) == "a"
    assert found(monkeypatch, *others) == ""
    assert found(monkeypatch, run("a"), run("e", chief="s/1")) == ""


def test_a_run_that_has_ended_is_for_a_successor_only(monkeypatch):
    """Whoever is started by hand begins another one."""
    ended = (run("a"), run("b", "finished", folder="/jobs/wafer/train_2"))
    assert found(monkeypatch, *ended) == ""
    assert found(monkeypatch, *ended, ended=True) == "b"


def test_a_task_that_was_silenced_speaks_as_chief(monkeypatch):
    """Code of that time lets tasks that only stream say errors; what the user wants to see in detail stays so."""
    root = logging.getLogger()
    for before, after in (("ERROR", "INFO"), ("DEBUG", "DEBUG")):
        monkeypatch.setattr(root, "level", logging.getLevelNamesMapping()[before])
        monkeypatch.setattr(root, "setLevel", lambda level: monkeypatch.setattr(root, "level", level))
        succession.speak()
        assert logging.getLevelName(root.level) == after


def test_a_file_is_there_whole_or_as_it_was(tmp_path, monkeypatch):
    """A write that ends in the middle leaves the old one, and nothing beside it; an open file is written to."""
    path = tmp_path / "c.mdl"
    write_whole({"a": torch.ones(2)}, str(path))
    with pytest.raises(AttributeError):
        write_whole({"a": lambda: None}, path)
    assert torch.load(path, weights_only=True)["a"].tolist() == [1, 1]
    assert list(tmp_path.iterdir()) == [path]
    with (tmp_path / "open.mdl").open("wb") as file:
        write_whole({"a": 1}, file)
    assert torch.load(tmp_path / "open.mdl", weights_only=True) == {"a": 1}


def test_what_the_chief_before_has_saved_is_left_alone(tmp_path, monkeypatch, caplog):
    """Its state is not kept any more. Where the file is not there either, that is a warning."""
    monkeypatch.setattr(cb_model.loop.CURRENT, "driver", SimpleNamespace(is_settled=True, is_taken=True))
    monkeypatch.setattr(cb_model.loop.CURRENT, "run_step", 20)
    caplog.set_level("INFO", "clients")
    path = tmp_path / "c.mdl"
    path.write_text("the chief's")
    cb_model.save({"a": 1}, str(path))
    assert path.read_text() == "the chief's"
    assert [record.levelname for record in caplog.records] == ["INFO"]
    cb_model.save({"a": 1}, str(tmp_path / "other.mdl"))
    assert caplog.records[1].levelname == "WARNING"
    assert "had the state of step 20" in caplog.text
    assert list(tmp_path.iterdir()) == [path]


def test_a_task_that_took_the_chiefs_place_is_the_master(monkeypatch):
    """From then on, whatever its rank is: what only the chief does it does."""
    monkeypatch.setenv("WAFER_RANK", "2")
    monkeypatch.setenv("WAFER_TASKS", "3")
    assert (cb_model.is_master_ordinal(), cb_model.get_ordinal()) == (False, 2)
    monkeypatch.setattr(cb_model, "is_chief", lambda: True)
    assert (cb_model.is_master_ordinal(), cb_model.get_ordinal()) == (True, 0)
