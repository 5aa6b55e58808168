"""The launchers as commands. They print the command line that they run."""

from __future__ import annotations

import os
import shlex
import socket
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from clients.private_service import Service, attended
from compat.launch.options import CS_INPUT_ANALYZER, CSRUN_CPU, CSRUN_WSE, Option, Words, parse, usage
from compat.launch.plan import Plan, interpreted, plan_analyzer, plan_cpu, plan_wse
from wire.errors import Exhausted, Fault, Refused

FAILED = 1
PORT = 9000
"""Code of that time adds this port to the address by itself, so that the address is what differs."""

_TRIES = 64


def csrun_cpu() -> None:
    """`csrun_cpu COMMAND`: run it here, without a system."""
    _main("csrun_cpu", CSRUN_CPU, plan_cpu)


def csrun_wse() -> None:
    """`csrun_wse COMMAND`: run it with a system, and with workers."""
    _main("csrun_wse", CSRUN_WSE, plan_wse)


def cs_input_analyzer() -> None:
    """`cs_input_analyzer COMMAND`: validate or compile, measure the input, say what to start."""
    _main("cs_input_analyzer", CS_INPUT_ANALYZER, plan_analyzer)


def python_pt() -> None:
    """`python-pt`: this Python, as a program of that time wants it."""
    _become("python-pt")


def python_ws() -> None:
    """`python-ws`: the same, whose runs are weight streaming."""
    _become("python-ws")


def launch(plan: Plan) -> int:
    """Carry a plan out; the exit code of its command. Raises Exhausted, Unreachable, Refused."""
    with ExitStack() as stack:
        command = plan.command
        if plan.needs_system:
            command = (*command, "--cs_ip", _private_system(stack, plan))
        for note in plan.notes:
            sys.stderr.write(f"note: {note}\n")
        sys.stdout.write(f"$ {shlex.join(command)}\n")
        sys.stdout.flush()
        return attended(command, environment=plan.environment)


def free_loopback(port: int = PORT, first: int | None = None) -> str:
    """An address of this machine itself on which nobody holds the port. Raises Exhausted."""
    begin = os.getpid() if first is None else first
    for number in range(begin, begin + _TRIES):
        host = f"127.{64 + number // 65536 % 64}.{number // 256 % 256}.{number % 254 + 1}"
        with socket.socket() as probe:
            try:
                probe.bind((host, port))
            except OSError:
                continue
            return host
    what = f"port {port} is taken on every address of this machine that was tried"
    raise Exhausted(what, fix="start `wafer_sim serve` yourself and give --cs_ip")


def _private_system(stack: ExitStack, plan: Plan) -> str:
    if plan.command[0] == "srun" and plan.environment.get("SLURM_JOB_NUM_NODES") != "1":
        what = "nobody says where the system is, and a private one serves this node only"
        raise Refused(what, where="csrun_wse", fix="start `wafer_sim serve` and give --cs_ip, or set CS_IP_ADDR")
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="csrun_")))
    host = free_loopback()
    service = stack.enter_context(Service(folder / "wafer_sim.log", host, PORT))
    address = service.address()
    sys.stdout.write(f"wafer_sim serve at {address}, for this run\n")
    return host


def _main(name: str, known: Mapping[str, Option], planned: Callable[[Words, Mapping[str, str], Path], Plan]) -> None:
    try:
        words = parse(sys.argv[1:], known)
        if words.wants_help:
            sys.stdout.write(usage(name, known) + "\n")
            code = 0
        else:
            code = launch(planned(words, os.environ, Path.cwd()))
    except Fault as fault:
        sys.stderr.write(f"{fault.screen()}\n")
        code = FAILED
    sys.exit(code)


def _become(interpreter: str, words: Sequence[str] | None = None) -> None:
    command, environment = interpreted((interpreter, *(sys.argv[1:] if words is None else words)), os.environ)
    os.execve(command[0], command, environment)  # noqa: S606 - this process becomes the interpreter
