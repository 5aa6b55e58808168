"""Programs of the repository that the installed command finds beside its package."""

from __future__ import annotations

from pathlib import Path

import pytest

from streamer import cli, repository
from wire.errors import NotFound


def test_a_program_of_the_checkout_is_run_with_its_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the current folder, and its exit code is the command's."""
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools" / "count.py").write_text(
        "import sys, pathlib; pathlib.Path('said').write_text(' '.join(sys.argv[1:])); sys.exit(7)"
    )
    monkeypatch.chdir(tmp_path)
    assert repository.run_module("tools.count", ["--runs", "5"], tmp_path) == 7
    assert Path("said").read_text() == "--runs 5"


def test_an_installed_package_without_its_repository_says_so(tmp_path: Path) -> None:
    """Not a traceback about a module."""
    with pytest.raises(NotFound, match="part of the repository") as fault:
        repository.run_module("benchmarks.command", [], tmp_path)
    assert "checkout" in fault.value.fix


@pytest.mark.parametrize("words", [["--help"], ["fc_mnist", "--against", "tfdata"], []])
def test_bench_hands_on_every_word(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own --help included; what they mean is the benchmarks' affair."""
    heard: list[tuple[str, tuple[str, ...]]] = []

    def hear(module: str, given: tuple[str, ...]) -> int:
        heard.append((module, given))
        return 3

    monkeypatch.setattr(repository, "run_module", hear)
    assert cli.app(["bench", *words], result_action="return_value") == 3
    assert heard == [("benchmarks.command", tuple(words))]
