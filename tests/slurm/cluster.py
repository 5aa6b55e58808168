"""A Slurm cluster of four nodes on this machine: munged, slurmctld and four slurmd, children of the tests."""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from benchmarks.faults.marked import VARIABLE, kill_marked, marked, start
from tests.e2e.harness import BIN, ROOT, Finished
from tests.e2e.stage import until

NODES = ("n1", "n2", "n3", "n4")
NEEDED = ("munged", "slurmctld", "slurmd", "srun", "sbatch", "salloc", "scontrol")
SBIN = "/usr/sbin"
"""Where Debian puts daemons, which is not on everybody's path."""

CONFIG = """
ClusterName=tests
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmdParameters=config_overrides
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
MpiDefault=none
SwitchType=switch/none
KillWait=20
SchedulerParameters=batch_sched_delay=0,sched_interval=1
GresTypes=cs
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""
NODE = "NodeName={name} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs=4 Gres=cs:cerebras:1\n"
PAUSE = 0.2
AROUND = ("SLURM_", "CS_IP_ADDR", "WAFER_")
"""What the tests' own surroundings say about tasks and systems is not for those on the cluster."""


@dataclass
class Cluster:
    """The cluster, and what is asked of it. mark: on all of its processes, and on all that they start."""

    folder: Path
    mark: str
    nodes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    _daemons: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def environment(self) -> dict[str, str]:
        """A user's shell: this Python first on the path, and Slurm's commands know this cluster."""
        own = {name: value for name, value in os.environ.items() if not name.startswith(AROUND)}
        path = os.pathsep.join((str(BIN), own.get("PATH", os.defpath), SBIN))
        return own | {VARIABLE: self.mark, "SLURM_CONF": str(self.folder / "slurm.conf"), "PATH": path}

    def run(self, *words: str, cwd: Path = ROOT, **variables: str) -> Finished:
        """A user's command to its end."""
        environment = self.environment | variables
        done = subprocess.run(words, cwd=cwd, env=environment, capture_output=True, text=True, timeout=170, check=False)
        return Finished(done.returncode, done.stdout, done.stderr)

    def ask(self, *words: str, **variables: str) -> str:
        """What a command of Slurm says, which must succeed."""
        done = self.run(*words, **variables)
        assert done.code == 0, (words, done.said, self.said())
        return done.out.strip()

    def job(self, number: str) -> dict[str, str]:
        """What Slurm holds of a job: JobState, Reason, ExitCode, ..."""
        words = self.ask("scontrol", "show", "job", "--oneliner", number).split()
        return dict(word.split("=", 1) for word in words if "=" in word)

    def job_is(self, number: str, *states: str) -> None:
        """Wait until a job has one of the states."""
        self.until(lambda: self.job(number)["JobState"] in states, f"job {number} is {' or '.join(states)}")

    def steps(self, job: str) -> dict[str, str]:
        """node -> the step of this job there, the batch script excepted."""
        lines = self.ask("squeue", "--noheader", "--steps", "--jobs", job, "--format=%i %N").splitlines()
        return {node: step for step, node in map(str.split, lines) if step.rpartition(".")[2].isdecimal()}

    def kill_node(self, node: str) -> None:
        """SIGKILL everything on a node, as its power does; then Slurm is told what it would find out in minutes."""
        tasks = [process for process in marked(self.mark) if _node_of(process) == node]
        for process in (psutil.Process(self.nodes[node].pid), *_step_daemons(tasks), *tasks):
            process.kill()
        self.nodes[node].wait()
        self.ask("scontrol", "update", f"NodeName={node}", "State=DOWN", "Reason=its power went")

    def start_node(self, node: str) -> None:
        """Its slurmd, as after power came back."""
        self.nodes[node] = self._daemon(f"slurmd-{node}", "slurmd", "-D", "-N", node, *self._config)

    def all_idle(self) -> None:
        """Wait until every node is there and free."""

        def idle() -> bool:
            done = self.run("sinfo", "--noheader", "--Node", "--format=%T")
            return done.code == 0 and done.out.split() == ["idle"] * len(NODES)

        self.until(idle, "all nodes are idle")

    def until(self, happened: Callable[[], bool], what: str) -> None:
        """Wait for what Slurm says. Fails with the daemons' last words."""
        try:
            until(happened, what, seconds=120, pause=PAUSE)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.said()}") from error

    def said(self) -> str:
        """The daemons' last words."""
        return "\n".join(f"{log.name}:\n{log.read_text()[-2000:]}" for log in sorted(self.folder.glob("*.log")))

    @property
    def _config(self) -> tuple[str, str]:
        return "-f", str(self.folder / "slurm.conf")

    def start(self) -> None:
        """Bring it up, and wait until it is idle."""
        (self.folder / "state").mkdir()
        self._configure()
        key = self.folder / "munge.key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o400)
        munge = [
            f"--{name}={self.folder / f'munge.{name}'}" for name in ("socket", "pid-file", "seed-file", "log-file")
        ]
        self._daemon("munged", "munged", "--foreground", "--force", f"--key-file={key}", *munge)
        self.until((self.folder / "munge.socket").exists, "munged listens")
        self._daemon("slurmctld", "slurmctld", "-D", *self._config)
        for node in NODES:
            self.start_node(node)
        self.all_idle()

    def stop(self) -> None:
        """End it, and all that runs on it."""
        kill_marked(self.mark)
        for daemon in self._daemons:
            daemon.wait()

    def _configure(self) -> None:
        host = socket.gethostname().partition(".")[0]
        first, *ports = _free_ports(1 + len(NODES))
        text = CONFIG.format(host=host, port=first, user=getpass.getuser(), folder=self.folder)
        nodes = [NODE.format(name=node, host=host, port=port) for node, port in zip(NODES, ports, strict=True)]
        (self.folder / "slurm.conf").write_text(text + "".join(nodes))
        gres = [f"NodeName={node} Name=cs Type=cerebras Count=1\n" for node in NODES]
        (self.folder / "gres.conf").write_text("".join(gres))

    def _daemon(self, log: str, *words: str) -> subprocess.Popen[bytes]:
        place = shutil.which(words[0], path=self.environment["PATH"])
        assert place is not None
        self._daemons.append(start(self.mark, self.folder / f"{log}.log", [place, *words[1:]]))
        return self._daemons[-1]


@contextmanager
def cluster_in(folder: Path, mark: str) -> Iterator[Cluster]:
    """A cluster that is up and idle; gone afterwards, with all that ran on it. folder: empty, and open to all."""
    cluster = Cluster(folder, mark)
    path = cluster.environment["PATH"]
    missing = [name for name in NEEDED if shutil.which(name, path=path) is None]
    assert not missing, f"not on this machine: {', '.join(missing)}; apt-get install slurm-wlm munge"
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


def _node_of(process: psutil.Process) -> str:
    try:
        return process.environ().get("SLURMD_NODENAME", "")
    except psutil.NoSuchProcess:
        return ""


def _step_daemons(tasks: list[psutil.Process]) -> list[psutil.Process]:
    parents = {parent for task in tasks if (parent := task.parent()) is not None}
    return [parent for parent in parents if parent.name() == "slurmstepd"]


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]
