"""The launchers' options: as the documents write them, and nothing else."""

from __future__ import annotations

import pytest

from compat.launch.options import CSRUN_WSE, LAUNCHERS, parse, usage
from wire.errors import InvalidInput

RUN = ["python-pt", "run.py", "--params", "p.yaml", "--cyclic"]
DOCUMENTED = [
    ("csrun_cpu", "--alloc-node=True", True),
    ("csrun_cpu", "--alloc-node False", False),
    ("csrun_cpu", "--alloc-node", True),
    ("csrun_cpu", "--mount-dirs=/data/ml,/lab/ml", ("/data/ml", "/lab/ml")),
    ("csrun_wse", "--total-nodes=3", 3),
    ("csrun_wse", "--nodes=3", 3),
    ("csrun_wse", "--tasks-per-node 5", 5),
    ("csrun_wse", "--cpus-per-task=16", 16),
    ("csrun_wse", "--single-task-nodes=2", 2),
    ("csrun_wse", "--single-task-nodes 0", 0),
    ("csrun_wse", "--cyclic", True),
    ("csrun_wse", "--mount-dirs /data/ml", ("/data/ml",)),
    ("cs_input_analyzer", "--available-nodes=3", 3),
    ("cs_input_analyzer", "--avail-nodes=3", 3),
    ("cs_input_analyzer", "--mount-dirs=/data/ml", ("/data/ml",)),
]
"""Launcher, words, value: every option of the scripts of R_1.6, as their own --help and README write it."""


@pytest.mark.parametrize("dash", ["-", "_"])
@pytest.mark.parametrize(("launcher", "written", "value"), DOCUMENTED)
def test_every_documented_option_is_taken(launcher, written, value, dash):
    """With `=` or a word of its own, dashed or underscored; the command behind it stays whole."""
    name, mark, rest = written.partition("=" if "=" in written else " ")
    words = parse([*((name[:2] + name[2:].replace("-", dash) + mark + rest).split()), *RUN], LAUNCHERS[launcher])
    assert list(words.options.values()) == [value]
    assert set(words.options) <= set(LAUNCHERS[launcher])
    assert words.command == tuple(RUN)


def test_the_documented_options_are_all_that_there_are():
    """An option without an example of its documents would be one of our own."""
    named = {
        (launcher, next(iter(parse([*written.split(), *RUN], LAUNCHERS[launcher]).options)))
        for launcher, written, _ in DOCUMENTED
    }
    assert named == {(launcher, name) for launcher, known in LAUNCHERS.items() for name in known}


def test_options_go_together():
    """Several of them, in any form; what follows the command is the command's own."""
    written = ["--total-nodes", "3", "--tasks-per-node=4", "--cpus_per_task", "14", "--single-task-nodes", "1"]
    words = parse([*written, "--cyclic", "--mount_dirs=/a,/b", "--", *RUN], CSRUN_WSE)
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
        (["--tasks-per-node=", *RUN], "is ''"),
        (["--cyclic=yes", *RUN], "takes no value"),
        (["--cyclic"], "there is no command to run"),
    ],
)
def test_what_is_wrong_is_an_error(words, said):
    """An unknown option is an error with the nearest known one; so is a value that cannot be."""
    with pytest.raises(InvalidInput) as caught:
        parse(words, CSRUN_WSE)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("launcher", "word", "nearest"),
    [
        ("csrun_cpu", "--alloc-nodes", "--alloc-node"),
        ("csrun_cpu", "--mount-dir", "--mount-dirs"),
        ("csrun_wse", "--task-per-node", "--tasks-per-node"),
        ("csrun_wse", "--cpu_per_task", "--cpus-per-task"),
        ("cs_input_analyzer", "--available_node", "--available-nodes"),
    ],
)
def test_an_unknown_option_is_an_error_with_the_nearest_one(launcher, word, nearest):
    """The scripts of that time ignored it with a warning, and ran something else than was meant."""
    with pytest.raises(InvalidInput) as caught:
        parse([word, "2", *RUN], LAUNCHERS[launcher])
    assert f"there is no option {word}" in str(caught.value)
    assert f"did you mean '{nearest}'?" in str(caught.value)


@pytest.mark.parametrize("launcher", ["csrun_cpu", "cs_input_analyzer"])
def test_options_of_one_launcher_are_none_of_the_other(launcher):
    """These start one task, so they have no tasks to place."""
    with pytest.raises(InvalidInput, match="there is no option --total-nodes"):
        parse(["--total-nodes", "2", *RUN], LAUNCHERS[launcher])


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_help_names_every_option(launcher):
    """--help needs no command, and lists all options, with their other names."""
    known = LAUNCHERS[launcher]
    assert parse(["--help"], known).wants_help
    names = [name for option, about in known.items() for name in (option, about.also) if name]
    assert all(f"--{name.replace('_', '-')}" in usage(launcher, known) for name in names)
