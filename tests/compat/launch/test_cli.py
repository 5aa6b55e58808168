"""The commands: what they print, and how they end."""

from __future__ import annotations

import socket
import sys

import pytest

from compat.launch import cli
from compat.launch.plan import Plan
from wire.errors import Refused


def test_an_address_whose_port_is_taken_is_passed_over():
    """A second private system on this machine gets another address, since the port is the same."""
    first = cli.free_loopback(port=0, first=5)
    assert first == "127.64.0.6"
    with socket.socket() as holder:
        holder.bind((first, 0))
        port = holder.getsockname()[1]
        assert cli.free_loopback(port, first=5) == "127.64.0.7"


def test_the_command_line_is_printed_and_its_exit_code_given(capfd):
    """What runs is on the screen before it runs; notes are beside it."""
    plan = Plan((sys.executable, "-c", "print('it ran'); raise SystemExit(3)"), {}, ("x has no effect",))
    assert cli.launch(plan) == 3
    said = capfd.readouterr()
    assert said.out.startswith(f"$ {sys.executable} -c ")
    assert said.out.endswith("it ran\n")
    assert said.err == "note: x has no effect\n"


def test_a_private_system_is_for_one_machine():
    """Tasks of an allocation of several nodes are elsewhere, and only this machine may reach a private system."""
    for nodes in ({}, {"SLURM_JOB_NUM_NODES": "2"}):
        with pytest.raises(Refused, match="serves this node only"):
            cli.launch(Plan(("srun", "python"), nodes, (), needs_system=True))


def test_an_error_is_one_screen(monkeypatch, capsys):
    """A wrong option ends the launcher with 1, and without a traceback."""
    monkeypatch.setattr(sys, "argv", ["csrun_wse", "--node", "3", "python"])
    with pytest.raises(SystemExit) as ended:
        cli.csrun_wse()
    assert ended.value.code == 1
    assert capsys.readouterr().err.startswith("error: there is no option --node\n")
