"""What the launchers start: locally and inside Slurm, with a system of their own and without."""

from __future__ import annotations

import os
import sys

import pytest

from clients.analysis.analyzer import ASKED
from clients.roles import WORKERS
from compat.launch.options import CS_INPUT_ANALYZER, CSRUN_CPU, CSRUN_WSE, parse
from compat.launch.plan import plan_analyzer, plan_cpu, plan_wse
from compat.start import ON_PATH, WEIGHT_STREAMING
from wire.errors import InvalidInput, NotFound

SLURM = {"SLURM_JOB_ID": "7"}
PROGRAM = ["python-pt", "run.py"]


def wse(folder, *words, **variables):
    return plan_wse(parse(words, CSRUN_WSE), variables, folder)


def test_the_interpreters_are_this_python_with_the_old_names(tmp_path):
    """python, python-pt and python-ws become this Python, with the folder of old names first on its path."""
    for name in ("python", "python-pt", "python-ws"):
        plan = plan_cpu(parse([name, "run.py", "--mode", "eval"], CSRUN_CPU), {"PYTHONPATH": "/own"}, tmp_path)
        assert plan.command == (sys.executable, "run.py", "--mode", "eval")
        assert plan.environment["PYTHONPATH"].split(os.pathsep)[:2] == [str(ON_PATH), "/own"]
        assert (WEIGHT_STREAMING in plan.environment) == (name == "python-ws")
        assert not plan.needs_system
    assert plan_cpu(parse(["bash", "x.sh"], CSRUN_CPU), {}, tmp_path).command == ("bash", "x.sh")


def test_nobody_says_where_the_system_is(tmp_path):
    """csrun_wse brings a system up unless a flag, the params file or the environment names one, or none is needed."""
    (tmp_path / "none.yaml").write_text("runconfig: {cs_ip: , max_steps: 3}\n")
    (tmp_path / "named.yaml").write_text("runconfig: {cs_ip: 10.0.0.1}\n")
    assert wse(tmp_path, *PROGRAM, "--params", "none.yaml").needs_system
    assert not wse(tmp_path, *PROGRAM, "--params=named.yaml").needs_system
    assert not wse(tmp_path, *PROGRAM, "--cs_ip", "10.0.0.1").needs_system
    assert not wse(tmp_path, *PROGRAM, "--compile_only").needs_system
    named = wse(tmp_path, *PROGRAM, "-p", "none.yaml", CS_IP_ADDR="10.0.0.2")
    assert not named.needs_system
    assert named.command[-2:] == ("--cs_ip", "10.0.0.2")
    assert "10.0.0.2" not in wse(tmp_path, *PROGRAM, "-p", "named.yaml", CS_IP_ADDR="10.0.0.2").command
    with pytest.raises(NotFound, match="the params file cannot be read"):
        wse(tmp_path, *PROGRAM, "-p", "missing.yaml")


def test_tasks_are_local_workers_without_slurm(tmp_path):
    """The first task is the chief, the others are its workers; what has no effect here is said."""
    plan = wse(
        tmp_path, "--total-nodes", "3", "--tasks-per-node", "4", "--single-task-nodes", "1", "--cyclic", *PROGRAM
    )
    assert plan.environment[WORKERS] == "8"
    assert plan.notes == ("--cyclic has no effect outside of a Slurm allocation",)
    assert WORKERS not in wse(tmp_path, *PROGRAM).environment
    with pytest.raises(InvalidInput, match="more than all nodes"):
        wse(tmp_path, "--total-nodes", "1", "--single-task-nodes", "2", *PROGRAM)


def test_tasks_are_srun_tasks_inside_slurm(tmp_path):
    """One srun; nodes with one task and nodes with several are two components of it."""
    program = (sys.executable, "run.py", "--cs_ip", "h")
    given = (*PROGRAM, "--cs_ip", "h")
    whole = wse(tmp_path, "--total-nodes", "2", "--tasks-per-node", "3", "--cpus-per-task", "14", *given, **SLURM)
    assert whole.command == ("srun", "--kill-on-bad-exit", "--nodes=2", "--ntasks=6", "--cpus-per-task=14", *program)
    mixed = wse(tmp_path, "--total-nodes=3", "--tasks-per-node=2", "--single-task-nodes=1", *given, **SLURM)
    first = ("srun", "--kill-on-bad-exit", "--nodes=1", "--ntasks=1", *program)
    assert mixed.command == (*first, ":", "--nodes=2", "--ntasks=4", "--ntasks-per-node=2", *program)
    assert wse(tmp_path, *PROGRAM, "--validate_only", **SLURM).command[:3] == ("srun", "--nodes=1", "--ntasks=1")
    in_step = wse(tmp_path, *given, **SLURM, SLURM_STEP_NUM_TASKS="2")
    assert in_step.command == program
    assert wse(tmp_path, "--cyclic", *given, **SLURM).command[2] == "--distribution=cyclic"


def test_one_task_takes_a_whole_node_of_slurm_where_it_is_asked_to(tmp_path):
    """csrun_cpu is one srun task inside an allocation; outside of one --alloc-node is said to have no effect."""
    words = parse(["--alloc-node", *PROGRAM], CSRUN_CPU)
    assert plan_cpu(words, SLURM, tmp_path).command[:4] == ("srun", "--nodes=1", "--ntasks=1", "--cpu-bind=none")
    assert plan_cpu(words, {}, tmp_path).notes == ("--alloc-node has no effect outside of a Slurm allocation",)
    shared = parse(["--alloc-node=False", *PROGRAM], CSRUN_CPU)
    assert plan_cpu(shared, SLURM, tmp_path).command[:4] == ("srun", "--nodes=1", "--ntasks=1", sys.executable)
    assert plan_cpu(shared, {}, tmp_path).notes == ()


@pytest.mark.parametrize(
    ("option", "here", "in_slurm"),
    [
        ("--total-nodes=2", {WORKERS: "1"}, ["--nodes=2", "--ntasks=2"]),
        ("--tasks-per-node=3", {WORKERS: "2"}, ["--ntasks=3"]),
        ("--single-task-nodes=1", {WORKERS: "0"}, ["--ntasks=1"]),
        ("--cpus-per-task=4", {}, ["--cpus-per-task=4"]),
        ("--cyclic", {}, ["--distribution=cyclic"]),
        ("--mount-dirs=/", {}, []),
    ],
)
def test_each_option_of_csrun_wse_alone(tmp_path, option, here, in_slurm):
    """What it makes of local workers, and of srun; one that can do nothing here is noted."""
    given = (option, *PROGRAM, "--cs_ip", "h")
    local = wse(tmp_path, *given)
    assert {name: local.environment[name] for name in here} == here
    assert (WORKERS in local.environment) == bool(here)
    assert bool(local.notes) == (option.partition("=")[0] in ("--cpus-per-task", "--cyclic"))
    step = wse(tmp_path, *given, **SLURM).command
    assert step == ("srun", "--kill-on-bad-exit", *in_slurm, sys.executable, "run.py", "--cs_ip", "h")


def analyzer(folder, *words, **variables):
    return plan_analyzer(parse(words, CS_INPUT_ANALYZER), variables, folder)


def test_the_analyzer_runs_one_task_that_validates(tmp_path):
    """It is told for how many nodes to reckon; a compile that is asked for stays one."""
    plan = analyzer(tmp_path, "--available-nodes", "3", *PROGRAM)
    assert plan.command == (sys.executable, "run.py", "--validate_only")
    assert plan.environment[ASKED] == "3"
    assert not plan.needs_system
    compiled = analyzer(tmp_path, *PROGRAM, "--compile_only")
    assert compiled.command == (sys.executable, "run.py", "--compile_only")
    assert compiled.environment[ASKED] == "1"
    with pytest.raises(NotFound, match="there is no folder"):
        analyzer(tmp_path, f"--mount-dirs={tmp_path}/x", *PROGRAM)


def test_the_analyzer_has_all_processors_of_a_node(tmp_path):
    """One task in Slurm would else be kept to one of them, and nothing but that one be measured."""
    command = analyzer(tmp_path, *PROGRAM, **SLURM).command
    assert command == (
        "srun",
        "--nodes=1",
        "--ntasks=1",
        "--cpu-bind=none",
        sys.executable,
        "run.py",
        "--validate_only",
    )


def test_a_folder_to_be_mounted_must_be_there(tmp_path):
    """--mount-dirs is looked at, although all folders are visible anyway."""
    assert wse(tmp_path, f"--mount_dirs={tmp_path}", *PROGRAM)
    with pytest.raises(NotFound, match="there is no folder"):
        wse(tmp_path, "--mount_dirs", f"{tmp_path},{tmp_path}/x", *PROGRAM)
