"""The README's commands, typed as printed."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.harness import BIN, ROOT

pytestmark = pytest.mark.e2e

STAY = ("wafer_sim serve", "streamer worker")
SHORT = ("--max_steps", "40")


def printed(heading: str) -> Iterator[str]:
    """The commands of the indented blocks under a heading, without their comments."""
    section = (ROOT / "README.md").read_text().split(f"## {heading}\n")[1].split("\n## ")[0]
    for line in re.findall(r"^    (\S.*)$", section, re.MULTILINE):
        yield line.split("  #")[0].strip()


def environment(tmp_path: Path) -> dict[str, str]:
    """A person's shell with .venv/bin on the path, and a home of its own."""
    return os.environ | {"PATH": f"{BIN}:{os.environ['PATH']}", "XDG_STATE_HOME": str(tmp_path / "state")}


@pytest.mark.timeout(300)
def test_the_commands_in_pieces_work_as_printed(tmp_path: Path) -> None:
    """Service and workers come up on the default port; every other command ends with exit code 0 against them.

    Training is cut short and the model_dir is moved; nothing else is added to what the README prints.
    """
    folder, env, running = ROOT, environment(tmp_path), []
    commands = list(printed("In pieces"))
    assert len(commands) >= 10
    try:
        for command in commands:
            words = shlex.split(command)
            if words[0] == "cd":
                folder = folder / words[1]
            elif command.startswith(STAY):
                process = subprocess.Popen(
                    words, cwd=folder, env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
                )
                running.append(process)
                if words[1] == "serve":
                    assert process.stdout is not None
                    assert "coordinator at localhost:9000" in process.stdout.readline()
            else:
                _runs(words, folder, env, tmp_path)
    finally:
        for process in reversed(running):
            process.terminate()
            process.communicate(timeout=20)
    assert [process.returncode for process in running] == [0] * len(running)


def _runs(words: list[str], folder: Path, env: dict[str, str], tmp_path: Path) -> None:
    if "run.py" in words:
        model_dir = tmp_path / folder.name / ("multi" if "--multireplica" in words else "m")
        words = [*words, "--model_dir", str(model_dir)]
        words += SHORT if "train" in words else ()
    done = subprocess.run(words, cwd=folder, env=env, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, f"{words}\n{done.stdout}{done.stderr}"


def test_the_targets_that_the_readme_names_exist() -> None:
    """Every `make` command of the README is a target of the Makefile."""
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"`?make ([a-z-]+)`?", (ROOT / "README.md").read_text()))
    assert {"run", "test", "check", "bench", "setup"} <= named
    assert named <= targets


def test_the_recipe_of_the_readme_is_a_recipe() -> None:
    """The train_input section that the README shows is accepted and reads the repository's MNIST."""
    import yaml

    from streamer.recipe import Recipe
    from streamer.sources.opening import open_recipe

    shown = re.findall(r"```yaml\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    (section,) = (params["train_input"] for params in map(yaml.safe_load, shown) if "train_input" in params)
    section["data_dir"] = str(ROOT / "data" / "mnist" / "train")
    assert len(open_recipe(Recipe.from_params(section, "train_input"))) == 60_000
