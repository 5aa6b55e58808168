"""The commands that show an estimate and the kernels."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from tests.wafer_sim.fabric.works import chain
from wafer_sim.cli import main
from wafer_sim.fabric import artefacts
from wafer_sim.fabric.estimate import estimate
from wafer_sim.fabric.machine import load

FOUND = estimate(chain(3), load("small"))


def compile_of(folder: Path, name: str, age: int) -> Path:
    """What a compile leaves, so many seconds ago."""
    made = folder / f"cs_{name}"
    made.mkdir()
    for file, content in artefacts.files(FOUND).items():
        (made / file).write_bytes(content)
    os.utime(made, (10**9 - age, 10**9 - age))
    return made


def test_a_report_is_shown_and_drawn(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of a compile, as a table with each kernel, and as a page; with a worker's rate it says how many are needed."""
    made, page = compile_of(tmp_path, "a", 0), tmp_path / "page.html"
    assert main(["report", str(made), "--html", str(page), "--rate", "1000"]) == 0
    said = capsys.readouterr().out
    assert "delta_t" in said
    assert f"{FOUND.workers(1000):,} at 1,000 samples/s each" in said
    assert all(name in said for name in ("k0", "k1", "k2", str(page)))
    assert page.read_text().startswith("<!DOCTYPE html>")


@pytest.mark.parametrize(
    ("file", "key"), [("plan.json", "total_utilization"), ("deltat_estimate.json", "estimated_deltat")]
)
def test_the_documents_look_for_their_numbers_with_grep(file: str, key: str) -> None:
    """grep -o '"total_utilization":[0-9\\.]*' model_dir/*/plan.json, as PSC prints it, and the same for delta_t."""
    (found,) = re.findall(rf'"{key}":[0-9\.]*', artefacts.files(FOUND)[file].decode())
    number = float(found.partition(":")[2])
    assert number == {"plan.json": FOUND.fabric_utilization, "deltat_estimate.json": FOUND.delta_t}[file]


def test_the_newest_compile_of_a_model_dir_is_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A model_dir may hold several."""
    compile_of(tmp_path, "old", 9)
    newest = compile_of(tmp_path, "new", 1)
    (newest / artefacts.ESTIMATE).write_text("{}")
    assert main(["report", str(tmp_path)]) == 1
    assert str(newest) in capsys.readouterr().err


@pytest.mark.parametrize("words", [["report", "none"], ["report", "."], ["estimate", "--params", "none.yaml"]])
def test_what_is_not_there_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    """No compile, no params file: one screen, exit code 1."""
    monkeypatch.chdir(tmp_path)
    assert main(words) == 1
    assert capsys.readouterr().err.startswith("error: there is no")


def test_a_page_that_cannot_be_written_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The table is there all the same."""
    assert main(["report", str(compile_of(tmp_path, "a", 0)), "--html", str(tmp_path)]) == 1
    shown = capsys.readouterr()
    assert "delta_t" in shown.out
    assert "the page cannot be written" in shown.err


def test_kernels_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    """With the operations of both frameworks."""
    assert main(["kernels"]) == 0
    said = capsys.readouterr().out
    assert all(word in said for word in ("matmul", "addmm", "MatMul", "convolution"))


@pytest.mark.parametrize("rate", ["0", "-1", "nan"])
def test_a_rate_that_is_none_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str], rate: str) -> None:
    """No number of workers follows from it."""
    assert main(["report", str(compile_of(tmp_path, "a", 0)), f"--rate={rate}"]) == 1
    assert "where: --rate" in capsys.readouterr().err


def test_a_reader_that_has_enough_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """`wafer_sim report ... | head` ends without a traceback."""
    made = compile_of(tmp_path, "a", 0)
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w", buffering=1) as pipe:
        monkeypatch.setattr("sys.stdout", pipe)
        assert main(["report", str(made)]) == 1
    assert capfd.readouterr().err == ""
