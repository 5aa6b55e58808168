"""`wafer_sim stalls`: where the time goes, from the figures of three runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from wafer_sim import cli
from wafer_sim.stall_split import sentence
from wafer_sim.verdict import split


def left(folder: Path, name: str, rate: float) -> str:
    """The model_dir of a run that had this rate."""
    path = folder / name
    path.mkdir()
    (path / "performance.json").write_text(json.dumps({"samples_per_sec": rate}))
    return str(path)


def test_three_runs_are_set_side_by_side(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The rates as they were measured, the shares, and what is worst."""
    paths = [left(tmp_path, name, rate) for name, rate in (("s", 1_000.0), ("w", 500.0), ("c", 250.0))]
    assert cli.main(["stalls", "--synthetic", paths[0], "--warm", paths[1], "--cold", paths[2]]) == 0
    text = " ".join(capsys.readouterr().out.split())
    for words in ("1,000", "computing │ 25.0%", "making batches │ 25.0%", "reading │ 50.0%", "2.00 times"):
        assert words in text
    assert "Most is lost with reading" in text


def test_a_job_whose_input_keeps_up_is_told_so() -> None:
    """Where computing is 90 % of the time there is nothing to do; else the larger part is named."""
    assert sentence(split(1_000.0, 980.0, 950.0)).endswith("the input keeps up.")
    assert "making batches: more workers" in sentence(split(1_000.0, 500.0, 490.0))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "no figures"),
        ("{", "cannot be read"),
        ("[]", "no performance.json"),
        ('{"samples_per_sec": 0}', "no rate"),
    ],
)
def test_figures_that_are_none_are_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str | None, said: str
) -> None:
    """With the place, in one screen."""
    good = left(tmp_path, "good", 5.0)
    (tmp_path / "bad").mkdir()
    if content is not None:
        (tmp_path / "bad" / "performance.json").write_text(content)
    assert cli.main(["stalls", "--synthetic", good, "--warm", good, "--cold", str(tmp_path / "bad")]) == 1
    error = capsys.readouterr().err
    assert said in error
    assert "bad" in error
