"""`python -m clients.fc_mnist`: its options, and that it begins anew only when the last job was finished."""

from __future__ import annotations

from pathlib import Path

import pytest

from clients.fc_mnist.__main__ import _arguments
from clients.report import performance_path
from wire.errors import Refused


@pytest.mark.parametrize("words", [["--model_dir", "m"], ["--model_dir=m"], ["-o", "m"]])
def test_a_model_dir_is_taken_however_it_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    """run.py runs in another folder, so it becomes absolute; the other options are passed on."""
    monkeypatch.chdir(tmp_path)
    assert _arguments([*words, "--max_steps", "5"]) == (tmp_path / "m", ["--max_steps", "5"])


def test_a_model_dir_without_a_value_is_an_error() -> None:
    """An option that ends the line is said in a sentence."""
    with pytest.raises(Refused, match="expected one argument"):
        _arguments(["--model_dir"])


def test_a_finished_job_is_run_anew_and_an_interrupted_one_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Evaluation is the last thing that a job does; before it, checkpoints are kept."""
    monkeypatch.chdir(tmp_path)
    model_dir, _ = _arguments([])
    (model_dir / "checkpoint_5").mkdir(parents=True)
    assert _arguments([]) == (model_dir, [])
    assert (model_dir / "checkpoint_5").is_dir()
    figures = performance_path(model_dir, "eval")
    figures.parent.mkdir()
    figures.write_text("{}")
    _arguments([])
    assert not model_dir.exists()


def test_a_given_model_dir_is_never_removed(tmp_path: Path) -> None:
    """What a user names is a user's."""
    figures = performance_path(tmp_path, "eval")
    figures.parent.mkdir()
    figures.write_text("{}")
    _arguments(["-o", str(tmp_path)])
    assert figures.exists()
