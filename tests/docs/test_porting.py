"""The pages on porting a model: their files, put into a folder, run by their commands."""

from __future__ import annotations

import re
import runpy
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from compat.launch.options import LAUNCHERS, parse

DOCS = Path(__file__).parents[2] / "docs"
FILES = ("model.py", "data.py", "utils.py", "configs/params.yaml", "run.py")
PAGES = ("port_pytorch.md", "port_tensorflow.md")
STEPS = 60
LEARNED = 0.75
"""Accuracy that training reaches; guessing the commonest of three classes gives 0.5."""


def blocks(page: str, language: str) -> list[str]:
    """The fenced blocks of a language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```", (DOCS / page).read_text(), re.MULTILINE | re.DOTALL)


def files(page: str) -> dict[str, str]:
    """Name -> content, by the comment that each block begins with."""
    named = blocks(page, "(?:python|yaml)")
    return {block.splitlines()[0].removeprefix("# "): block for block in named}


def commands(page: str) -> list[list[str]]:
    """The words of each command of a page."""
    return [shlex.split(line) for block in blocks(page, "sh") for line in block.splitlines()]


@pytest.fixture
def started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder from which run.py is run in this process; its modules are gone afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    for name in ("model", "data", "utils"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize("page", PAGES)
def test_the_files_are_in_the_documents_order(page: str) -> None:
    """model.py first, run.py last, and none is missing."""
    assert tuple(files(page)) == FILES


@pytest.mark.parametrize("page", PAGES)
def test_the_launchers_take_what_the_page_prints(page: str) -> None:
    """No option of them is unknown, and each of them runs run.py."""
    launched = [words for words in commands(page) if words[0] != "python"]
    assert {words[0] for words in launched} == {"cs_input_analyzer", "csrun_wse"}
    for name, *words in launched:
        assert parse(words, LAUNCHERS[name]).command[:2] == ("python", "run.py")


@pytest.mark.parametrize("page", PAGES)
def test_the_page_runs_as_printed(
    page: str, started: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Validate, compile, train, evaluate: every command without a launcher ends well, and the model has learned."""
    for name, content in files(page).items():
        (started / name).parent.mkdir(exist_ok=True)
        (started / name).write_text(content)
    ran = [words for words in commands(page) if words[0] == "python"]
    assert len(ran) == 4
    caplog.set_level("INFO")
    for _, script, *words in ran:
        monkeypatch.setattr(sys, "argv", [script, *words])
        runpy.run_path(script, run_name="__main__")
    assert "Validated in" in caplog.text
    assert list((started / "model_dir").glob("cs_*"))
    assert re.search(rf"global.step:? {STEPS}\b", caplog.text)
    assert float(re.findall(r"accuracy = ([\d.]+)", caplog.text)[-1]) > LEARNED
