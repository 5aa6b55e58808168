"""What a cluster does to a job: steps are cancelled, nodes die, jobs make room. The weights stay the same."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.e2e.stage import Stage, until
from tests.slurm.cluster import Cluster
from tests.slurm.training import LENGTH, ends_whole

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]


@pytest.fixture
def submitted(cluster: Cluster, stage: Stage, tmp_path: Path):
    """A function that submits a file of deploy/slurm, and gives its job when it has made 30 steps."""

    def submit(file: str, *options: str) -> str:
        words = ("sbatch", "--parsable", "--cpus-per-task=1", f"--output={tmp_path / 'out'}", *options)
        script = (f"deploy/slurm/{file}", "--model_dir", str(tmp_path / "m"), *LENGTH)
        job = cluster.ask(*words, *script, CS_IP_ADDR=stage.address)
        until(lambda: stage.run(tmp_path / "m").progress.step >= 30, "30 steps", 120, pause=0.05)
        return job

    return submit


def test_a_step_is_cancelled_and_a_node_dies(
    cluster: Cluster, stage: Stage, submitted, whole: str, tmp_path: Path
) -> None:
    """A worker is cancelled, then another one's node dies: the run goes on with the last one."""
    job = submitted("elastic.sbatch")
    steps = cluster.steps(job)
    assert len(steps) == 4
    cluster.ask("scancel", steps["n3"])
    cluster.kill_node("n4")
    before = stage.run(tmp_path / "m").progress.step
    cluster.job_is(job, "COMPLETED", "FAILED", "NODE_FAIL")
    said = (tmp_path / "out").read_text()
    cluster.start_node("n4")
    cluster.ask("scontrol", "update", "NodeName=n4", "State=RESUME")
    cluster.all_idle()
    assert before < stage.run(tmp_path / "m").progress.step, said
    assert cluster.job(job)["ExitCode"] == "0:0", said
    ends_whole(tmp_path / "m", whole)


def test_a_preempted_job_comes_back_smaller(cluster: Cluster, submitted, whole: str, tmp_path: Path) -> None:
    """SIGTERM: a checkpoint, and back into the queue; the same job goes on there with two tasks instead of four."""
    job = submitted("fc_mnist.sbatch", "--nodes=4", "--ntasks=4")
    cluster.ask("scancel", "--signal=TERM", job)
    cluster.job_is(job, "PENDING", "FAILED", "COMPLETED")
    smaller = ("NumNodes=2", "NumTasks=2", "StartTime=now+3")  # seconds: the old start's credentials are revoked first
    cluster.ask("scontrol", "update", f"JobId={job}", *smaller)
    cluster.job_is(job, "COMPLETED", "FAILED")
    first, again, second = (tmp_path / "out").read_text().partition("Continuing from global step: ")
    assert again, first
    step = re.search(r"interrupted at step (\d+), checkpoint saved", first)
    assert step is not None, first
    assert second.startswith(f"{step[1]} "), second
    workers = re.findall(r"INFO worker \S+ registered", first + second)
    assert (len(workers), cluster.job(job)["ExitCode"]) == (3 + 1, "0:0"), second
    ends_whole(tmp_path / "m", whole)
