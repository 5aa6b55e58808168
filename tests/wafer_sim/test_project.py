"""A user's project, compiled in a process of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from wafer_sim.project import compiled
from wire.errors import InvalidInput, NotFound

RUN = """
import pathlib, sys
words = sys.argv[1:]
if "boom" in words:
    sys.exit("oneDNN is on\\nerror: no such layer\\n  do:    add it")
if "crash" in words:
    sys.exit("Segmentation fault")
pathlib.Path(words[words.index("-o") + 1], "words").write_text(" ".join(words))
"""


@pytest.fixture
def params(tmp_path: Path) -> Path:
    (tmp_path / "run.py").write_text(RUN)
    (tmp_path / "configs").mkdir()
    file = tmp_path / "configs" / "params.yaml"
    file.write_text("model: {}\n")
    return file


def test_run_py_is_found_above_the_params_and_told_what_to_do(params: Path) -> None:
    """It compiles for training, with what is given and not with what is left out; nothing stays."""
    with compiled(params, {"train_input.batch_size": 7, "runconfig.machine": None}) as folder:
        words = (folder / "words").read_text()
    assert words.startswith(f"--mode train --compile_only --params {params} -o {folder}")
    assert words.endswith("train_input.batch_size 7")
    assert not folder.exists()


def test_a_project_that_fails_is_said_with_its_own_words(params: Path) -> None:
    """The error of run.py, and not what its framework said before; all that it said where it has none."""
    for key, words in (("boom", "error: no such layer\n  do:    add it"), ("crash", "Segmentation fault")):
        with pytest.raises(InvalidInput) as caught, compiled(params, {key: 1}):
            pass
        assert caught.value.what.endswith(f"run.py --compile_only failed:\n{words}")


def test_a_folder_without_a_project_is_said(tmp_path: Path) -> None:
    """A params file alone cannot be compiled."""
    (tmp_path / "params.yaml").write_text("")
    with pytest.raises(NotFound, match=r"no run\.py"), compiled(tmp_path / "params.yaml", {}):
        pass
