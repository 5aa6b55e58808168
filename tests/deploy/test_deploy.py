"""The files of deploy/, as far as they can be looked at without the services that they are for."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from clients import arguments
from clients.pytorch.flags import PYTORCH
from clients.roles import place_of
from compat.launch import options
from tests.e2e.harness import BIN, ROOT
from wafer_sim.cli import app

DEPLOY = ROOT / "deploy"
SCRIPTS = sorted(DEPLOY.glob("slurm/*.sbatch"))
UNIT = DEPLOY / "systemd" / "wafer_sim.service"
RECIPE = DEPLOY / "container" / "Dockerfile"
JOBSET = DEPLOY / "kubernetes" / "jobset.yaml"


def parses(words):
    """The words are a command of ours, and it takes them. Raises whatever its parser does."""
    match words:
        case ["wafer_sim", *rest]:
            app.parse_args(rest, print_error=False, exit_on_error=False)
        case ["csrun_wse", *rest]:
            parses(options.parse(rest, options.CSRUN_WSE).command)
        case ["python", "run.py", *rest]:
            arguments.parse(rest, PYTORCH)
        case _:
            raise AssertionError(f"no command of ours: {words}")


def joined(path):
    """The lines of a file; those that go on after a backslash are one."""
    return path.read_text().replace("\\\n", " ").splitlines()


@pytest.mark.parametrize(
    "words", [["wafer_sim", "serve", "--prot", "1"], ["python", "run.py", "-p", "x", "--mod", "train"]]
)
def test_a_wrong_option_is_noticed(words):
    """The check below can fail."""
    with pytest.raises(Exception, match=r"--prot|--mod"):
        parses(words)


def test_each_file_says_what_was_tried():
    """Its head tells what was tried and what was not."""
    files = [UNIT, RECIPE, JOBSET, *SCRIPTS]
    assert len(SCRIPTS) == 3
    for file in files:
        assert re.search(r"^# (Tried|Not tried): .*", file.read_text(), re.MULTILINE), file
        assert "Not tried: " in file.read_text(), file


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_a_batch_script_runs_commands_that_exist(script):
    """bash reads it, and run.py takes the options that it is given."""
    assert subprocess.run(["bash", "-n", script], check=False).returncode == 0
    commands = [line[line.index("python run.py") :] for line in joined(script) if "python run.py" in line]
    assert commands
    for command in commands:
        parses([word for word in shlex.split(command) if word not in ("$@", "$only")])


def test_the_unit_is_one_that_systemd_takes(tmp_path):
    """systemd finds nothing wrong with it, and the service takes the options of each ExecStart in it."""
    text = UNIT.read_text()
    commands = re.findall(r"ExecStart=/opt/wafer-streamer/.venv/bin/(\S.*)", text)
    assert len(commands) == 2
    for command in commands:
        parses(shlex.split(command.replace("FILE", str(UNIT))))
    here = tmp_path / UNIT.name
    here.write_text(text.replace("/opt/wafer-streamer/.venv/bin", str(BIN)))
    analyze = shutil.which("systemd-analyze")
    if analyze is not None:
        done = subprocess.run([analyze, "verify", here], capture_output=True, text=True, check=False)
        assert (done.returncode, str(here) in done.stderr) == (0, False), done.stderr


def test_the_recipe_copies_what_is_there():
    """All that is copied exists, is let into the build, and what runs by default is a command of ours."""
    lines = joined(RECIPE)
    copied = [word for line in lines if line.startswith("COPY ") for word in line.split()[1:-1]]
    let_in = [line[1:] for line in joined(RECIPE.with_name("Dockerfile.dockerignore")) if line.startswith("!")]
    assert sorted(copied) == sorted(let_in)
    assert all((ROOT / name).exists() for name in copied)
    parses(json.loads(next(line for line in lines if line.startswith("CMD "))[4:]))
    project = next(line for line in reversed(lines) if line.startswith("WORKDIR ")).removeprefix("WORKDIR ")
    assert (ROOT / Path(project).relative_to("/opt/wafer-streamer") / "run.py").exists()
    for command in re.findall(r"docker run --rm wafer-streamer (csrun_wse .*)", RECIPE.read_text()):
        parses(shlex.split(command))


def pods():
    """Each replicated job of the JobSet: its name -> its job's spec and its container."""
    jobs = yaml.safe_load(JOBSET.read_text())["spec"]["replicatedJobs"]
    specs = {job["name"]: job["template"]["spec"] for job in jobs}
    return {name: (spec, spec["template"]["spec"]["containers"][0]) for name, spec in specs.items()}


def test_the_jobset_runs_commands_that_exist():
    """The system and the tasks are commands of ours, with options that they take."""
    for _, container in pods().values():
        words = [*container["command"], *container["args"]]
        parses([str(UNIT) if word.startswith("/tls/") else word for word in words])


def test_an_indexed_job_says_who_is_chief():
    """What Kubernetes sets in each pod gives ranks, and a name that is another one after a restart."""
    spec, container = pods()["tasks"]
    given = {entry["name"]: entry.get("value") for entry in container["env"]}
    assert {"JOB_NAME", "JOBSET_RESTART_ATTEMPT", "WAFER_TASKS"} <= given.keys()
    assert int(given["WAFER_TASKS"]) == spec["completions"] == spec["parallelism"]
    said = {"WAFER_TASKS": given["WAFER_TASKS"], "JOB_NAME": "fc-mnist-tasks-0", "JOBSET_RESTART_ATTEMPT": "0"}
    places = [place_of({**said, "JOB_COMPLETION_INDEX": str(rank)}) for rank in range(spec["completions"])]
    assert [place.is_chief for place in places] == [True, False, False, False]
    assert {place.session for place in places} == {"kubernetes.fc-mnist-tasks-0"}
    again = place_of({**said, "JOB_COMPLETION_INDEX": "0", "JOBSET_RESTART_ATTEMPT": "1"})
    assert again.session == "kubernetes.fc-mnist-tasks-0.1"
