"""Setting up: every package is pinned, and the Makefile says what it offers and what it lacks."""

import importlib.metadata
import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
DIRECT = [Requirement(text) for text in (*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["dev"])]
# A CUDA build of torch pins the libraries it needs itself, each at one version.
PINNED_BY_TORCH = re.compile(r"nvidia-|cuda-|triton$")


def pins():
    """Package name -> the version that constraints.txt gives it."""
    lines = [line.split("#")[0].strip() for line in (ROOT / "constraints.txt").read_text().splitlines()]
    return {canonicalize_name(name): version for name, version in (line.split("==") for line in lines if line)}


def needed(requirements):
    """The names of the packages that these requirements bring along, themselves included, on this machine."""
    seen, todo = set(), list(requirements)
    while todo:
        requirement = todo.pop()
        key = (canonicalize_name(requirement.name), frozenset(requirement.extras))
        extras = ("", *requirement.extras)
        if key in seen or (requirement.marker and not requirement.marker.evaluate({"extra": ""})):
            continue
        seen.add(key)
        for text in importlib.metadata.requires(requirement.name) or ():
            part = Requirement(text)
            if part.marker is None or any(part.marker.evaluate({"extra": extra}) for extra in extras):
                part.marker = None
                todo.append(part)
    return {name for name, _ in seen}


def test_every_package_is_pinned():
    """Nothing that is installed, directly or by another package, is left to the day of the installation."""
    unpinned = {name for name in needed(DIRECT) - pins().keys() if not PINNED_BY_TORCH.match(name)}
    assert unpinned == set()


def test_nothing_is_pinned_that_is_not_needed():
    """A pin of a package that went away goes with it."""
    assert pins().keys() - needed(DIRECT) == set()


@pytest.mark.parametrize("requirement", DIRECT, ids=str)
def test_a_pin_is_a_version_that_the_project_allows(requirement):
    """constraints.txt and pyproject.toml do not contradict each other."""
    assert requirement.specifier.contains(pins()[canonicalize_name(requirement.name)])


def make(*arguments, cwd=ROOT, path=None):
    """Run make, by default with the tests' own PATH."""
    environment = {**os.environ, "PATH": path or os.environ["PATH"]}
    command = [shutil.which("make") or "make", *arguments]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)


def test_make_alone_says_what_there_is():
    """Every target that the README names is listed with a sentence."""
    listed = dict(re.findall(r"^make ([\w-]+) +(\S.*)$", make().stdout, re.MULTILINE))
    assert listed.keys() == {"help", "setup", "run", "test", "slurm-test", "check", "bench", "proto", "data", "clean"}


@pytest.fixture
def fresh(tmp_path):
    """A fresh clone's Makefile and pins, beside a `bin` for the only Python there is; no pip gets to run."""
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "bin").mkdir()
    return tmp_path


def python(tree, name, script):
    """Put a Python of this name on the tree's PATH."""
    path = tree / "bin" / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def test_without_python_3_11_make_says_so_in_one_sentence(fresh):
    """A machine with other Pythons only gets told, not a traceback of pip."""
    python(fresh, "python3.11", "exit 127")
    python(fresh, "python3", "exit 1")
    done = make("setup", cwd=fresh, path=f"{fresh / 'bin'}:/usr/bin:/bin")
    assert done.returncode != 0
    assert done.stderr.splitlines()[0].startswith("make: Python 3.11 is needed")
    assert not (fresh / ".venv").exists()


def test_setup_takes_python3_where_it_is_3_11_and_runs_once(fresh):
    """Where python3.11 is missing, python3 makes .venv; setting up again does nothing until the pins change."""
    python(fresh, "python3.11", "exit 127")
    venv = 'mkdir -p .venv/bin; cp "$0" .venv/bin/python; echo made >> log'
    python(fresh, "python3", f'case "$*" in *venv*) {venv};; *pip*) echo installed >> log;; esac')
    path = f"{fresh / 'bin'}:/usr/bin:/bin"
    for expected in (["made", "installed"], ["made", "installed"]):
        done = make("setup", cwd=fresh, path=path)
        assert done.returncode == 0, done.stderr
        assert (fresh / "log").read_text().split() == expected
    os.utime(fresh / "constraints.txt", (4e9, 4e9))
    assert make("setup", cwd=fresh, path=path).returncode == 0
    assert (fresh / "log").read_text().split() == ["made", "installed", "installed"]


def test_data_asks_where_the_idx_files_are(fresh):
    """`make data` without a directory says how to call it."""
    done = make("data", "--old-file=.venv/.installed", cwd=fresh)
    assert done.returncode != 0
    assert "make data MNIST_IDX=<directory>" in done.stderr


def test_ci_does_without_no_part_of_itself():
    """Where Slurm is missing and cannot be installed, CI fails with a sentence, and runs nothing."""
    functions = {"command": "return 1", "id": "echo 1000", "make": "echo made"}
    faked = {f"BASH_FUNC_{name}%%": f"() {{ {body}; }}" for name, body in functions.items()}
    script = ROOT / ".ci" / "run"
    done = subprocess.run([script], env={**os.environ, **faked}, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("CI needs Slurm: install slurm-wlm and munge first")


def test_ci_runs_the_checks_and_then_the_tests():
    """.ci/run is executable and stops at the first failure."""
    script = ROOT / ".ci" / "run"
    text = script.read_text()
    assert os.access(script, os.X_OK)
    assert "set -euo pipefail" in text
    assert 0 < text.index("make check") < text.index("make test") < text.index("make slurm-test")
    assert "pytest tests/slurm\n" in (ROOT / "Makefile").read_text()
