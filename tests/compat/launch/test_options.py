"""The launchers' options: as the documents write them, and nothing else."""

from __future__ import annotations

import pytest

from compat.launch.options import CSRUN_CPU, CSRUN_WSE, parse, usage
from wire.errors import InvalidInput

RUN = ["python-pt", "run.py", "--params", "p.yaml", "--cyclic"]


@pytest.mark.parametrize("dash", ["-", "_"])
def test_options_may_be_dashed_or_underscored(dash):
    """Every documented option is taken in both spellings; what follows the command is the command's own."""
    written = ["--total-nodes", "3", "--tasks-per-node=4", "--cpus-per-task", "14", "--single-task-nodes", "1"]
    written = [word[:2] + word[2:].replace("-", dash) for word in written]
    words = parse([*written, "--cyclic", f"--mount{dash}dirs=/a,/b", *RUN], CSRUN_WSE)
    counts = [words.count(name) for name in ("total_nodes", "tasks_per_node", "cpus_per_task", "single_task_nodes")]
    assert counts == [3, 4, 14, 1]
    assert words.flag("cyclic")
    assert words.mount_dirs == ("/a", "/b")
    assert words.command == tuple(RUN)
    assert not parse(RUN, CSRUN_WSE).flag("cyclic")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--total-node", "3", *RUN], "did you mean '--total-nodes'?"),
        (["-N", "3", *RUN], "there is no option -N"),
        (["--total-nodes", "0", *RUN], "whole number of 1 or more"),
        (["--tasks-per-node", "many", *RUN], "'many'"),
        (["--cyclic=yes", *RUN], "takes no value"),
        (["--cyclic"], "there is no command to run"),
    ],
)
def test_what_is_wrong_is_an_error(words, said):
    """An unknown option is an error with the nearest known one; so is a value that cannot be."""
    with pytest.raises(InvalidInput) as caught:
        parse(words, CSRUN_WSE)
    assert said in str(caught.value)


def test_options_of_one_launcher_are_none_of_the_other():
    """csrun_cpu starts one task, so it has no nodes to count."""
    with pytest.raises(InvalidInput, match="there is no option --total-nodes"):
        parse(["--total-nodes", "2", *RUN], CSRUN_CPU)
    assert parse(["--alloc_node", *RUN], CSRUN_CPU).flag("alloc_node")


def test_help_names_every_option():
    """--help needs no command, and lists all options."""
    assert parse(["--help"], CSRUN_WSE).wants_help
    assert all(f"--{name.replace('_', '-')}" in usage("csrun_wse", CSRUN_WSE) for name in CSRUN_WSE)
