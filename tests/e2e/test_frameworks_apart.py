"""A run in one framework never imports the other one, in none of its processes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.e2e.harness import python, serve
from tests.e2e.stage import small_project

pytestmark = pytest.mark.e2e

SHAPES = Path(__file__).parent / "tf_projects" / "shapes"
WATCH = """
import os, sys

def note(line):
    with open({log!r}, "a") as file:
        file.write(line + "\\n")

def hear(event, arguments):
    # The part of a package that is imported next says that the package itself was found, and is being loaded.
    found, _, part = arguments[0].partition(".") if event == "import" else ("", "", "")
    if part and found in ("torch", "tensorflow") and found not in heard:
        heard.add(found)
        note(f"{{os.getpid()}} imports {{found}}")

heard = set()
note(f"{{os.getpid()}} is watched")
sys.addaudithook(hear)
"""


@pytest.fixture
def watched(tmp_path: Path) -> tuple[dict[str, str], Path]:
    """The environment in which every Python process writes down which of the two it imports, and where."""
    folder, log = tmp_path / "watch", tmp_path / "imports.log"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(WATCH.format(log=str(log)))
    path = os.pathsep.join(filter(None, (str(folder), os.environ.get("PYTHONPATH"))))
    return {"PYTHONPATH": path}, log


@pytest.mark.parametrize(("framework", "other"), [("tensorflow", "torch"), ("torch", "tensorflow")])
def test_the_other_framework_is_never_imported(
    tmp_path: Path, watched: tuple[dict[str, str], Path], framework: str, other: str
) -> None:
    """Not by chief, worker, coordinator or wafer process; all are watched, which the project's own framework shows."""
    env, log = watched
    folder = SHAPES if framework == "tensorflow" else small_project(tmp_path / "p")
    params = "configs/params.yaml" if folder == SHAPES else "params.yaml"
    service = serve(tmp_path, env=env)
    options = ["--params", params, "--cs_ip", service.address, "--model_dir", str(tmp_path / "m")]
    try:
        done = python("run.py", *options, "--max_steps", "20", "--num_workers", "1", cwd=folder, env=env)
    finally:
        service.stop()
    assert done.code == 0, done.said
    lines = log.read_text().splitlines()
    assert sum("is watched" in line for line in lines) >= 4
    assert sum(f"imports {framework}" in line for line in lines) >= 2
    assert not [line for line in lines if f"imports {other}" in line]
